import { isUserXattr, keepXattrs } from "./filter-xattrs.ts";
import { type Directory, isDirectory, type Leaf, type TreeNode } from "./node.ts";
import { walkTree } from "./walk.ts";

/** The options of mkcomposefs that change a tree (erofs-image.md §1.2). */
export interface AdjustTreeOptions {
  /** No xattrs at all; wins over `userXattrs`. */
  readonly skipXattrs?: boolean;
  /** Only xattrs of the `user.` namespace. */
  readonly userXattrs?: boolean;
  /** Every time is 0. */
  readonly useEpoch?: boolean;
  /** No devices, whiteouts included. */
  readonly skipDevices?: boolean;
}

/** Applies the options in the order in which mkcomposefs does. The tree is changed in place. */
export function adjustTree(root: Directory, options: AdjustTreeOptions): void {
  if (options.skipXattrs === true) keepXattrs(root, () => false);
  else if (options.userXattrs === true) keepXattrs(root, isUserXattr);
  if (options.useEpoch === true) {
    for (const { node } of walkTree(root)) {
      node.stat.mtimeSeconds = 0n;
      node.stat.mtimeNanoseconds = 0;
    }
  }
  if (options.skipDevices === true) removeDevices(root);
}

/**
 * Makes every directory entry an inode of its own, as mkcomposefs does with a directory unless told `--hardlinks`: one
 * name keeps the leaf, the others get copies.
 */
export function splitHardLinks(root: Directory): void {
  const seen = new Set<Leaf>();
  for (const directory of directoriesOf(root)) {
    for (const [name, node] of directory.entries) {
      if (isDirectory(node)) continue;
      if (!seen.has(node)) {
        seen.add(node);
        continue;
      }
      directory.entries.set(name, { stat: { ...node.stat }, content: node.content });
    }
  }
}

function removeDevices(root: Directory): void {
  for (const directory of directoriesOf(root)) {
    for (const [name, node] of directory.entries) {
      if (isDevice(node)) directory.entries.delete(name);
    }
  }
}

function isDevice(node: TreeNode): boolean {
  return !isDirectory(node) && (node.content.kind === "char" || node.content.kind === "block");
}

function* directoriesOf(root: Directory): Generator<Directory, void, undefined> {
  for (const { node } of walkTree(root)) if (isDirectory(node)) yield node;
}
