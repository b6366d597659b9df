import { SCAN_KINDS, type ScannedTree } from "@composefs/reflink";
import type { ObjectId } from "../fsverity/object-id.ts";
import {
  type ByteString,
  type Directory,
  type LeafContent,
  NO_XATTRS,
  type Stat,
  type TreeNode,
} from "../tree/node.ts";

type Pair = readonly [name: ByteString, value: Uint8Array];

/** The tree that the columns of a scan describe. Values of xattrs that are equal are one array, not to be changed. */
export function buildTree(scanned: ScannedTree): Directory {
  const nodes = readNodes(scanned);
  const { entryParents, entryNodes, nameLengths, names } = scanned;
  let at = 0;
  for (let i = 0; i < entryNodes.length; i++) {
    const end = at + (nameLengths[i] as number);
    const parent = nodes[entryParents[i] as number] as Directory;
    parent.entries.set(names.toString("latin1", at, end) as ByteString, nodes[entryNodes[i] as number] as TreeNode);
    at = end;
  }
  return nodes[0] as Directory;
}

function readNodes(scanned: ScannedTree): TreeNode[] {
  const { kinds, sizes, contentLengths, contents, xattrCounts, xattrs } = scanned;
  const pairs = readPairs(scanned);
  const nodes = new Array<TreeNode>(kinds.length);
  let contentAt = 0;
  let xattrAt = 0;
  for (let i = 0; i < kinds.length; i++) {
    const xattrEnd = xattrAt + (xattrCounts[i] as number);
    const own = (): Pair[] => Array.from(xattrs.subarray(xattrAt, xattrEnd), (pair) => pairs[pair] as Pair);
    const stat = readStat(scanned, i, xattrEnd === xattrAt ? NO_XATTRS : new Map(own()));
    xattrAt = xattrEnd;
    const contentEnd = contentAt + (contentLengths[i] as number);
    const kind = SCAN_KINDS[kinds[i] as number];
    if (kind === "directory") nodes[i] = { stat, entries: new Map() };
    else nodes[i] = { stat, content: readContent(kind, sizes[i] as number, contents, contentAt, contentEnd) };
    contentAt = contentEnd;
  }
  return nodes;
}

function readStat(scanned: ScannedTree, i: number, xattrs: Stat["xattrs"]): Stat {
  return {
    mode: scanned.modes[i] as number,
    uid: scanned.uids[i] as number,
    gid: scanned.gids[i] as number,
    mtimeSeconds: scanned.mtimeSeconds[i] as bigint,
    mtimeNanoseconds: scanned.mtimeNanoseconds[i] as number,
    xattrs,
  };
}

function readContent(
  kind: Exclude<(typeof SCAN_KINDS)[number], "directory"> | undefined,
  size: number,
  contents: Buffer,
  start: number,
  end: number,
): LeafContent {
  switch (kind) {
    case "inline":
      return { kind, bytes: contents.subarray(start, end) };
    case "external":
      return { kind, id: contents.toString("hex", start, end) as ObjectId, size: BigInt(size) };
    case "symlink":
      return { kind, target: contents.subarray(start, end) };
    case "char":
    case "block":
      return { kind, rdev: BigInt(size) };
    case "fifo":
    case "socket":
      return { kind };
    default:
      throw new RangeError("a scan with a kind of node that does not exist");
  }
}

function readPairs({ pairNameLengths, pairValueLengths, pairs }: ScannedTree): Pair[] {
  let at = 0;
  return Array.from(pairNameLengths, (nameLength, i): Pair => {
    const nameEnd = at + nameLength;
    const end = nameEnd + (pairValueLengths[i] as number);
    const pair: Pair = [pairs.toString("latin1", at, nameEnd) as ByteString, pairs.subarray(nameEnd, end)];
    at = end;
    return pair;
  });
}
