import type { ByteString, Directory, Leaf, Splitstream, TreeNode } from "@composefs/core";
import { bytesOf, createDirectory, isDirectory } from "@composefs/core/import";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { LayerEntry } from "./entry-builder.ts";
import { type EntryPlace, entryPlace, linkTargetPlace } from "./entry-path.ts";
import { layerEntries } from "./layer-entries.ts";
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
export function applyLayer(root: Directory, { diffId, stream }: AppliedLayer, options: WhiteoutOptions = {}): void {
  const applier = new LayerApplier(root, diffId, options);
  for (const entry of layerEntries(stream, diffId)) applier.apply(entry);
  applier.finish();
}

/** {@link applyLayer} for entries that come one by one. */
export class LayerApplier {
  readonly #root: Directory;
  readonly #diffId: OciDigest;
  /** Null when whiteouts act where they stand. */
  readonly #scope: LayerScope | null;
  readonly #whiteouts: LayerEntry[] = [];

  constructor(root: Directory, diffId: OciDigest, options: WhiteoutOptions = {}) {
    this.#root = root;
    this.#diffId = diffId;
    this.#scope = options.compatWhiteouts ? null : new LayerScope();
  }

  /** Takes the next entry in the order of the tar. @throws OciError `LAYER_UNSUPPORTED` */
  apply(entry: LayerEntry): void {
    const place = entryPlace(entry.path);
    if (place === null) throw this.#misfit(entry, "it has '..' in the middle of its path");
    if (place.name === null) this.#setRoot(entry);
    else if (!place.name.startsWith(WHITEOUT_PREFIX)) this.#set(entry, place, place.name);
    else if (this.#scope === null)
      removeInOrder(whiteoutAt(this.#descend(place.parents, entry).at(-1) as Directory, place.name));
    else this.#whiteouts.push(entry);
  }

  /** The layer has no more entries. @throws OciError `LAYER_UNSUPPORTED` */
  finish(): void {
    const scope = this.#scope;
    if (scope === null) return;
    // All are found before the first one acts, so that none can hide the directory of another.
    for (const { directory, name } of this.#whiteouts.flatMap((entry) => this.#find(entry, scope))) {
      if (name === null) scope.empty(directory);
      else scope.remove(directory, name);
    }
  }

  #setRoot(entry: LayerEntry): void {
    if (entry.content.kind !== "directory") throw this.#misfit(entry, "it stands for the root but is no directory");
    this.#root.stat = entry.stat;
  }

  #set(entry: LayerEntry, place: EntryPlace, name: ByteString): void {
    const { content, stat } = entry;
    const target = content.kind === "link" ? this.#linkTarget(entry, content.target) : null;
    const parents = this.#descend(place.parents, entry);
    const parent = parents.at(-1) as Directory;
    const present = parent.entries.get(name);
    this.#scope?.add(parents, name);
    if (present !== undefined && isDirectory(present)) {
      if (content.kind === "directory") {
        present.stat = stat;
        return;
      }
      this.#scope?.replace(parent, name, present);
    }
    if (content.kind === "directory") parent.entries.set(name, createDirectory(stat));
    else if (content.kind === "link") parent.entries.set(name, target as Leaf);
    else parent.entries.set(name, { stat, content });
  }

  /** The inode a hard link means: any but a directory, of whatever layer. */
  #linkTarget(entry: LayerEntry, target: ByteString): Leaf {
    const place = linkTargetPlace(target);
    if (place === null) throw this.#misfit(entry, `its target "${show(target)}" has '..'`);
    const node: TreeNode | undefined =
      place.name === null ? this.#root : this.#descend(place.parents, entry).at(-1)?.entries.get(place.name);
    if (node === undefined) throw this.#misfit(entry, `its target "${show(target)}" does not exist`);
    if (isDirectory(node)) throw this.#misfit(entry, `its target "${show(target)}" is a directory`);
    return node;
  }

  #find(entry: LayerEntry, scope: LayerScope): Whiteout[] {
    const { parents, name } = entryPlace(entry.path) as EntryPlace;
    const directories = scope.directories(this.#root, parents);
    if (directories.length === 0) this.#descend(parents, entry);
    return directories.map((directory) => whiteoutAt(directory, name as ByteString));
  }

  /** The directories from the root down to the last of `names`, root included. */
  #descend(names: readonly ByteString[], entry: LayerEntry): Directory[] {
    let directory = this.#root;
    const directories = [directory];
    for (const name of names) {
      const node = directory.entries.get(name);
      if (node === undefined) throw this.#misfit(entry, `there is no directory "${show(name)}" on its path`);
      if (!isDirectory(node)) throw this.#misfit(entry, `"${show(name)}" on its path is no directory`);
      directory = node;
      directories.push(directory);
    }
    return directories;
  }

  #misfit({ path, offset }: LayerEntry, what: string): OciError {
    return new OciError(
      "LAYER_UNSUPPORTED",
      `layer ${this.#diffId}: entry "${show(path)}" at byte ${offset} does not fit the tree: ${what}`,
      {
        details: { layer: this.#diffId, path: show(path), offset },
        hint: "the image's layers do not make a file tree; build the image again",
      },
    );
  }
}

function whiteoutAt(directory: Directory, name: ByteString): Whiteout {
  return { directory, name: name === OPAQUE ? null : (name.slice(WHITEOUT_PREFIX.length) as ByteString) };
}

function removeInOrder({ directory, name }: Whiteout): void {
  if (name === null) directory.entries.clear();
  else directory.entries.delete(name);
}

function show(path: ByteString): string {
  return bytesOf(path).toString("utf8");
}
