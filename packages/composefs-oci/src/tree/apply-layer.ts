import {
  type ByteString,
  bytesOf,
  createDirectory,
  type Directory,
  isDirectory,
  type Leaf,
  type Splitstream,
  type TreeNode,
} from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type EntryPlace, entryPlace, linkTargetPlace } from "./entry-path.ts";
import { type LayerEntry, layerEntries } from "./layer-entries.ts";
import { LayerScope } from "./layer-scope.ts";

/** A layer to apply. */
export interface AppliedLayer {
  readonly diffId: OciDigest;
  readonly stream: Splitstream;
}

/** How whiteouts are read. */
export interface WhiteoutOptions {
  /**
   * Let a whiteout take away whatever is there at its place in the tar, files of the same layer too, as composefs-rs
   * does. By default it takes away what lower layers left, wherever it stands in the tar.
   */
  readonly compatWhiteouts?: boolean | undefined;
}

const WHITEOUT_PREFIX = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** A whiteout whose directory is known; `name` is null for an opaque marker. */
interface Whiteout {
  readonly directory: Directory;
  readonly name: ByteString | null;
}

/**
 * Applies a layer's entries to the tree of the layers below it. The layer's objects are not read.
 *
 * Paths lead through directories only, never through symlinks, and no parent is invented.
 *
 * @throws OciError `LAYER_UNSUPPORTED` an entry that does not fit the tree, with layer, path and offset in the tar, or
 *   that no tree can have; `TAR_MALFORMED` and other codes of a tar. The tree is then useless.
 * @see oci.md §4.1-4.2, §11.10
 */
export function applyLayer(root: Directory, layer: AppliedLayer, options: WhiteoutOptions = {}): void {
  const { diffId, stream } = layer;
  const scope = options.compatWhiteouts ? null : new LayerScope();
  const whiteouts: LayerEntry[] = [];
  for (const entry of layerEntries(stream, diffId)) {
    const place = entryPlace(entry.path);
    if (place === null) throw misfit(diffId, entry, "it has '..' in the middle of its path");
    if (place.name === null) setRoot(root, entry, diffId);
    else if (!place.name.startsWith(WHITEOUT_PREFIX)) setEntry(root, entry, place, place.name, scope, diffId);
    else if (scope === null)
      removeInOrder(whiteoutAt(descend(root, place.parents, entry, diffId).at(-1) as Directory, place.name));
    else whiteouts.push(entry);
  }
  if (scope === null) return;
  // All are found before the first one acts, so that none can hide the directory of another.
  for (const { directory, name } of whiteouts.flatMap((entry) => findWhiteouts(root, entry, scope, diffId))) {
    if (name === null) scope.empty(directory);
    else scope.remove(directory, name);
  }
}

function setRoot(root: Directory, entry: LayerEntry, diffId: OciDigest): void {
  if (entry.content.kind !== "directory") throw misfit(diffId, entry, "it stands for the root but is no directory");
  root.stat = entry.stat;
}

function setEntry(
  root: Directory,
  entry: LayerEntry,
  place: EntryPlace,
  name: ByteString,
  scope: LayerScope | null,
  diffId: OciDigest,
): void {
  const { content, stat } = entry;
  const target = content.kind === "link" ? linkTarget(root, entry, content.target, diffId) : null;
  const parents = descend(root, place.parents, entry, diffId);
  const parent = parents.at(-1) as Directory;
  const present = parent.entries.get(name);
  scope?.add(parents, name);
  if (present !== undefined && isDirectory(present)) {
    if (content.kind === "directory") {
      present.stat = stat;
      return;
    }
    scope?.replace(parent, name, present);
  }
  if (content.kind === "directory") parent.entries.set(name, createDirectory(stat));
  else if (content.kind === "link") parent.entries.set(name, target as Leaf);
  else parent.entries.set(name, { stat, content });
}

/** The inode a hard link means: any but a directory, of whatever layer. */
function linkTarget(root: Directory, entry: LayerEntry, target: ByteString, diffId: OciDigest): Leaf {
  const place = linkTargetPlace(target);
  if (place === null) throw misfit(diffId, entry, `its target "${show(target)}" has '..'`);
  const node: TreeNode | undefined =
    place.name === null ? root : descend(root, place.parents, entry, diffId).at(-1)?.entries.get(place.name);
  if (node === undefined) throw misfit(diffId, entry, `its target "${show(target)}" does not exist`);
  if (isDirectory(node)) throw misfit(diffId, entry, `its target "${show(target)}" is a directory`);
  return node;
}

function findWhiteouts(root: Directory, entry: LayerEntry, scope: LayerScope, diffId: OciDigest): Whiteout[] {
  const { parents, name } = entryPlace(entry.path) as EntryPlace;
  const directories = scope.directories(root, parents);
  if (directories.length === 0) descend(root, parents, entry, diffId);
  return directories.map((directory) => whiteoutAt(directory, name as ByteString));
}

function whiteoutAt(directory: Directory, name: ByteString): Whiteout {
  return { directory, name: name === OPAQUE ? null : (name.slice(WHITEOUT_PREFIX.length) as ByteString) };
}

function removeInOrder({ directory, name }: Whiteout): void {
  if (name === null) directory.entries.clear();
  else directory.entries.delete(name);
}

/** The directories from the root down to the last of `names`, root included. */
function descend(root: Directory, names: readonly ByteString[], entry: LayerEntry, diffId: OciDigest): Directory[] {
  const directories = [root];
  let directory = root;
  for (const name of names) {
    const node = directory.entries.get(name);
    if (node === undefined) throw misfit(diffId, entry, `there is no directory "${show(name)}" on its path`);
    if (!isDirectory(node)) throw misfit(diffId, entry, `"${show(name)}" on its path is no directory`);
    directory = node;
    directories.push(directory);
  }
  return directories;
}

function misfit(diffId: OciDigest, { path, offset }: LayerEntry, what: string): OciError {
  return new OciError(
    "LAYER_UNSUPPORTED",
    `layer ${diffId}: entry "${show(path)}" at byte ${offset} does not fit the tree: ${what}`,
    {
      details: { layer: diffId, path: show(path), offset },
      hint: "the image's layers do not make a file tree; build the image again",
    },
  );
}

function show(path: ByteString): string {
  return bytesOf(path).toString("utf8");
}
