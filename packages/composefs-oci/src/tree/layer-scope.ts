import type { ByteString, Directory, TreeNode } from "@composefs/core";
import { isDirectory } from "@composefs/core/import";

/**
 * What one layer has put into a tree, so that its whiteouts take away only what lower layers left (oci.md §11.10).
 * Which names, not which inodes: a hard link to a lower file does not save the file's lower name.
 */
export class LayerScope {
  /** Names the layer set, by directory. */
  readonly #names = new Map<Directory, Set<ByteString>>();
  /** Directories with such a name anywhere below. */
  readonly #holders = new Set<Directory>();
  /** Directories the layer put something else in place of, by parent and name. */
  readonly #replaced = new Map<Directory, Map<ByteString, Directory[]>>();

  /** Notes that the layer set `name` in the last of `parents`, the directories from the root down. */
  add(parents: readonly Directory[], name: ByteString): void {
    const directory = parents.at(-1) as Directory;
    const names = this.#names.get(directory);
    if (names === undefined) this.#names.set(directory, new Set([name]));
    else names.add(name);
    for (let i = parents.length - 1; i >= 0; i--) {
      const parent = parents[i] as Directory;
      // The directories above a holder are holders already.
      if (this.#holders.has(parent)) break;
      this.#holders.add(parent);
    }
  }

  /** Notes that the layer put something else in the place of a directory. */
  replace(parent: Directory, name: ByteString, old: Directory): void {
    const byName = this.#replaced.get(parent) ?? new Map<ByteString, Directory[]>();
    this.#replaced.set(parent, byName.set(name, [...(byName.get(name) ?? []), old]));
  }

  /**
   * The directories that a path meant before or after the layer's entries: a whiteout may stand before the entry that
   * replaces its directory, hence also after it. None when the path leads nowhere.
   */
  directories(root: Directory, names: readonly ByteString[]): Directory[] {
    let level = [root];
    for (const name of names) {
      level = level.flatMap((directory) => {
        const node = directory.entries.get(name);
        const replaced = this.#replaced.get(directory)?.get(name) ?? [];
        return node !== undefined && isDirectory(node) ? [node, ...replaced] : replaced;
      });
    }
    return level;
  }

  /** Removes what lower layers left under `name`; what the layer set there or below stays. */
  remove(directory: Directory, name: ByteString): void {
    const node = directory.entries.get(name);
    if (node !== undefined) this.#prune([[directory, name, node]]);
  }

  /** Removes what lower layers left in a directory. */
  empty(directory: Directory): void {
    this.#prune(children(directory));
  }

  // A list instead of recursion: trees may be deeper than the stack.
  #prune(list: [Directory, ByteString, TreeNode][]): void {
    for (let next = list.pop(); next !== undefined; next = list.pop()) {
      const [directory, name, node] = next;
      const own = this.#names.get(directory)?.has(name) ?? false;
      if (isDirectory(node) && (own || this.#holders.has(node))) {
        for (const child of children(node)) list.push(child);
      } else if (!own) {
        directory.entries.delete(name);
      }
    }
  }
}

function children(directory: Directory): [Directory, ByteString, TreeNode][] {
  return [...directory.entries].map(([name, node]) => [directory, name, node]);
}
