import { ComposefsError } from "../errors.ts";
import {
  type ByteString,
  type Directory,
  isDirectory,
  isWhiteout,
  type Leaf,
  type Stat,
  type TreeNode,
} from "./node.ts";
import { walkTree } from "./walk.ts";

/** Longest name that fits into a directory block: 4096 less the 12 bytes of its entry (erofs-image.md §1.3, §2.6). */
export const MAX_NAME_BYTES = 4084;

const U32_MAX = 2 ** 32 - 1;
const U64_MAX = 2n ** 64n - 1n;

/**
 * The checks before an image of any format is written (erofs-image.md §1.3), and that every value is in the range of
 * its type (§1.1). Names of 256 to 4084 bytes are taken although no kernel can look them up. A reader of trees from
 * outside calls this at the end, a writer of images at the beginning.
 *
 * @throws ComposefsError `TREE_INVALID` with the detail `path`: a name that cannot stand in a directory, a whiteout
 * with several links, a value out of range, or a directory that stands in two places
 */
export function checkTree(root: Directory): void {
  const directories = new Set<Directory>();
  const whiteouts = new Map<Leaf, ByteString>();
  for (const { path, node } of walkTree(root)) {
    const problem = statProblem(node.stat) ?? nodeProblem(node);
    if (problem !== undefined) throw invalid(path, problem);
    if (isDirectory(node)) {
      // Found before the walk goes down again, so a directory inside itself ends here too.
      if (directories.has(node)) throw invalid(path, "the directory stands in two places");
      directories.add(node);
    } else if (isWhiteout(node)) {
      const other = whiteouts.get(node);
      if (other !== undefined) {
        throw invalid(path, `a whiteout (character device 0) cannot have several links, ${shown(other)} is another`);
      }
      whiteouts.set(node, path);
    }
  }
}

function invalid(path: ByteString, problem: string): ComposefsError {
  return new ComposefsError("TREE_INVALID", `${shown(path)}: ${problem}`, {
    details: { path: Buffer.from(path, "latin1").toString("utf8"), problem },
  });
}

function shown(path: string): string {
  return JSON.stringify(Buffer.from(path, "latin1").toString("utf8"));
}

function statProblem(stat: Stat): string | undefined {
  if (!isCount(stat.mode, 0o7777)) return `mode ${stat.mode}, expected permission bits only, at most 4095 (octal 7777)`;
  if (!isCount(stat.uid, U32_MAX)) return `uid ${stat.uid}, expected below 2^32`;
  if (!isCount(stat.gid, U32_MAX)) return `gid ${stat.gid}, expected below 2^32`;
  if (BigInt.asIntN(64, stat.mtimeSeconds) !== stat.mtimeSeconds)
    return `mtime ${stat.mtimeSeconds} s, expected 64 bits`;
  if (!isCount(stat.mtimeNanoseconds, 999_999_999)) return `mtime ${stat.mtimeNanoseconds} ns, expected below 10^9`;
  return undefined;
}

function nodeProblem(node: TreeNode): string | undefined {
  if (isDirectory(node)) {
    for (const name of node.entries.keys()) {
      if (name.length > MAX_NAME_BYTES) {
        return `it has a name of ${name.length} bytes, ${shown(name.slice(0, 40))}…; expected at most ${MAX_NAME_BYTES}`;
      }
      if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
        return `the name ${shown(name.slice(0, 80))} cannot stand in a directory`;
      }
    }
    return undefined;
  }
  const { content } = node;
  switch (content.kind) {
    case "external":
    case "external-no-verity":
    case "sparse":
      return content.size >= 0n && content.size <= U64_MAX ? undefined : `size ${content.size}, expected below 2^64`;
    case "char":
    case "block":
      if (content.rdev >= 0n && content.rdev <= BigInt(U32_MAX)) return undefined;
      return `device number ${content.rdev}, expected below 2^32`;
    default:
      return undefined;
  }
}

function isCount(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}
