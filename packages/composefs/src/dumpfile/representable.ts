import { ComposefsError } from "../errors.ts";
import { type ByteString, isDirectory, isWhiteout, type TreeNode } from "../tree/node.ts";
import { LIMIT } from "./format.ts";

const U32_MAX = 2 ** 32 - 1;
const U64_MAX = 2n ** 64n - 1n;

/**
 * Makes sure that a reader of the text gets this node back as it is.
 *
 * @param path where it stands, for the message and its length
 * @throws ComposefsError `DUMPFILE_UNREPRESENTABLE`
 */
export function checkRepresentable(path: ByteString, node: TreeNode, links: number): void {
  const lost = lossOf(path, node, links);
  if (lost === undefined) return;
  const shown = Buffer.from(path, "latin1").toString("utf8");
  throw new ComposefsError("DUMPFILE_UNREPRESENTABLE", `${JSON.stringify(shown)}: a dumpfile cannot hold ${lost}`, {
    details: { path: shown, lost },
    hint: "writing it all the same gives text that no reader takes, or takes for something else",
  });
}

function lossOf(path: ByteString, node: TreeNode, links: number): string | undefined {
  const { stat } = node;
  if (path.length > LIMIT.path) return `a path of ${path.length} bytes (at most ${LIMIT.path})`;
  if (stat.mtimeSeconds < 0n) return `a time before 1970 (${stat.mtimeSeconds} s)`;
  if (stat.mtimeSeconds >= 2n ** 63n) return `a time of ${stat.mtimeSeconds} s`;
  if (!isCount(stat.mtimeNanoseconds, 999_999_999)) return `${stat.mtimeNanoseconds} ns`;
  if (!isCount(stat.mode, 0o7777)) return `the permissions ${stat.mode.toString(8)}`;
  if (!isCount(stat.uid, U32_MAX)) return `the uid ${stat.uid}`;
  if (!isCount(stat.gid, U32_MAX)) return `the gid ${stat.gid}`;
  return lostXattr(node) ?? (isDirectory(node) ? undefined : lostContent(node, links));
}

function isCount(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

function lostXattr({ stat }: TreeNode): string | undefined {
  let keys = 0;
  for (const [name, value] of stat.xattrs) {
    keys += name.length;
    if (name.includes("\0")) return "an xattr with NUL in its name";
    if (name.length > LIMIT.xattrKey) return `an xattr's name of ${name.length} bytes (at most ${LIMIT.xattrKey})`;
    if (value.length > LIMIT.xattrValue) return `an xattr of ${value.length} bytes (at most ${LIMIT.xattrValue})`;
  }
  return keys > LIMIT.xattrKeys ? `xattrs whose names have ${keys} bytes (at most ${LIMIT.xattrKeys})` : undefined;
}

function lostContent(node: Exclude<TreeNode, { entries: unknown }>, links: number): string | undefined {
  const { content } = node;
  switch (content.kind) {
    case "inline":
      if (content.bytes.length <= LIMIT.inline) return undefined;
      return `inline content of ${content.bytes.length} bytes (at most ${LIMIT.inline})`;
    case "external":
      return isU64(content.size) ? undefined : `a size of ${content.size}`;
    case "external-no-verity":
      return "that a file has an object but no digest";
    case "sparse":
      if (content.size === 0n) return "an empty sparse file";
      return isU64(content.size) ? undefined : `a size of ${content.size}`;
    case "symlink":
      if (content.target.includes(0)) return "a symlink's target with NUL";
      if (content.target.length > 0 && content.target.length <= LIMIT.symlink) return undefined;
      return `a symlink's target of ${content.target.length} bytes (1 to ${LIMIT.symlink})`;
    case "char":
    case "block":
      if (isWhiteout(node) && links > 1) return "a whiteout with several links";
      return isU64(content.rdev) ? undefined : `the device number ${content.rdev}`;
    default:
      return undefined;
  }
}

function isU64(value: bigint): boolean {
  return value >= 0n && value <= U64_MAX;
}
