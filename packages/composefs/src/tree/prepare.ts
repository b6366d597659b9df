import { filterXattrs, type XattrMode } from "./filter-xattrs.ts";
import type { Directory, Stat } from "./node.ts";
import { findTopDirectory, topDirectory } from "./top-directory.ts";

/** How to prepare a tree. */
export interface PrepareTreeOptions {
  /** Xattrs that stay; `allowlist-only` unless given. */
  readonly xattrs?: XattrMode;
}

/**
 * What is done to the tree of a container or a directory before an image of it is made, so that the image does not
 * depend on how the tree was obtained: steps a, b and c of erofs-image.md §1.2. Step d, to drop leaves without a name,
 * needs nothing here: such leaves are in no directory. The tree is changed in place.
 *
 * @throws ComposefsError `TREE_INVALID` no `/usr`, or `/usr` or `/run` is not a directory; the tree may be half changed
 */
export function prepareTree(root: Directory, options: PrepareTreeOptions = {}): void {
  copyUsrToRoot(root);
  emptyRun(root);
  filterXattrs(root, options.xattrs ?? "allowlist-only");
}

/**
 * Gives the root directory mode, owner, time and xattrs of `/usr`: layers do not say what the root's are.
 *
 * @throws ComposefsError `TREE_INVALID` no `/usr`, or not a directory
 */
export function copyUsrToRoot(root: Directory): void {
  const { stat } = topDirectory(root, "usr");
  root.stat = { ...stat };
}

/**
 * Empties `/run`, if there is one, and gives it the time of `/usr`: container tools leave mount points there.
 *
 * @throws ComposefsError `TREE_INVALID` no `/usr`, or one of the two is not a directory
 */
export function emptyRun(root: Directory): void {
  const run = findTopDirectory(root, "run");
  if (run !== undefined) emptyDirectory(run, topDirectory(root, "usr").stat);
}

/**
 * What an image that is booted needs besides {@link prepareTree}, and after it: `/boot` and `/sysroot` are empty and
 * have the time of `/usr` (step e of erofs-image.md §1.2, SELinux labels excepted). The tree is changed in place.
 *
 * @throws ComposefsError `TREE_INVALID` `/usr`, `/boot` or `/sysroot` does not exist or is not a directory; nothing has
 * been changed then
 */
export function prepareBootTree(root: Directory): void {
  const { stat } = topDirectory(root, "usr");
  const directories = ["boot", "sysroot"].map((name) => topDirectory(root, name));
  for (const directory of directories) emptyDirectory(directory, stat);
}

function emptyDirectory(directory: Directory, { mtimeSeconds, mtimeNanoseconds }: Stat): void {
  directory.entries.clear();
  directory.stat = { ...directory.stat, mtimeSeconds, mtimeNanoseconds };
}
