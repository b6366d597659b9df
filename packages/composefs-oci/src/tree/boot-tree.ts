import {
  type BootEntry,
  type ByteString,
  collectBootEntries,
  type Directory,
  labelBootTree,
  type ObjectId,
  prepareBootTree,
  type Repository,
} from "@composefs/core";
import { type LayerRef, type LayersTreeOptions, layersTree } from "./layers-tree.ts";

/** A tree to boot, and what it lost on the way. */
export interface BootTree {
  readonly root: Directory;
  /** The kernels in it, in order of preference. */
  readonly entries: readonly BootEntry[];
  /**
   * Gives `/boot` and `/sysroot` back the nanoseconds of their own times, as composefs-rs 0.9.0 left them; whether that
   * changes anything.
   */
  restoreNanoseconds(): boolean;
}

/**
 * As {@link layersTree}, of an image that is booted: `/boot` and `/sysroot` empty, SELinux labels by the tree's policy.
 *
 * @throws as {@link layersTree}; ComposefsError `TREE_INVALID` no `/boot` or `/sysroot`, `BOOT_ENTRY_INVALID`,
 *   `SELINUX_POLICY_INVALID`, `SELINUX_UNSUPPORTED`
 * @see oci.md §6.1
 */
export async function bootTree(
  repository: Repository,
  layers: readonly LayerRef[],
  options: LayersTreeOptions = {},
): Promise<BootTree> {
  const root = await layersTree(repository, layers, options);
  const readObject = (id: ObjectId): Promise<Uint8Array> => repository.objects.read(id);
  const entries = await collectBootEntries(root, readObject);
  const emptied = ["boot", "sysroot"].flatMap((name) => {
    const directory = root.entries.get(name as ByteString);
    return directory === undefined ? [] : [{ directory, nanoseconds: directory.stat.mtimeNanoseconds }];
  });
  prepareBootTree(root);
  await labelBootTree(root, readObject);
  const restoreNanoseconds = (): boolean => {
    const changed = emptied.filter(({ directory, nanoseconds }) => directory.stat.mtimeNanoseconds !== nanoseconds);
    for (const { directory, nanoseconds } of changed) directory.stat.mtimeNanoseconds = nanoseconds;
    return changed.length > 0;
  };
  return { root, entries, restoreNanoseconds };
}
