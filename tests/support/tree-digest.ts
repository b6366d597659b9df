import { createHash } from "node:crypto";
import { run, runBytes } from "./run.ts";

/** What else counts. */
export interface TreeDigestOptions {
  /** Inode numbers and link counts too: proves that nothing was replaced, or linked from elsewhere. */
  readonly inodes?: boolean;
}

/**
 * SHA-256 (hex) over a directory: names, types, modes, owners, modification times in nanoseconds, sizes, contents, hard
 * links and extended attributes. Equal digests mean that nothing in the tree changed. Access and change times do not
 * count: reading and linking move them.
 */
export function treeDigest(root: string, options: TreeDigestOptions = {}): string {
  const identity = options.inodes === true ? "%i %n " : "";
  const list = runBytes("find", [root, "-printf", `${identity}%y %m %U %G %s %T@ %P -> %l\\0`], {
    env: { ...process.env, LC_ALL: "C" },
  });
  const entries: string[] = [];
  for (let start = 0; start < list.length; ) {
    const end = list.indexOf(0, start);
    entries.push(list.toString("latin1", start, end));
    start = end + 1;
  }
  const hash = createHash("sha256").update(entries.sort().join("\0"), "latin1");
  return hash.update(contentDigest(root)).digest("hex");
}

/** Contents, hard links and attributes, as the digest of an archive with its entries in bytewise order. */
function contentDigest(root: string): string {
  const script =
    "set -o pipefail; tar --format=posix --pax-option=delete=atime,delete=ctime --sort=name --xattrs " +
    '--xattrs-include="*" -C "$1" -cf - . | sha256sum';
  return run("bash", ["-c", script, "bash", root], { env: { ...process.env, LC_ALL: "C" } }).slice(0, 64);
}
