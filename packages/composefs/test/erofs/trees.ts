import type { ObjectId } from "../../src/fsverity/object-id.ts";
import {
  type ByteString,
  byteString,
  createDirectory,
  createStat,
  type Directory,
  type Leaf,
  type LeafContent,
  type Stat,
  type TreeNode,
} from "../../src/tree/node.ts";

/** An id of sha256. */
export const ID = "2d98".padEnd(64, "5") as ObjectId;

/** A leaf. */
export function leaf(content: LeafContent, stat: Partial<Stat> = {}): Leaf {
  return { stat: createStat({ mode: 0o644, ...stat }), content };
}

/** A file with its content in the image. */
export function file(text: string, stat: Partial<Stat> = {}): Leaf {
  return leaf({ kind: "inline", bytes: Buffer.from(text) }, stat);
}

/** A whiteout. */
export function whiteout(stat: Partial<Stat> = {}): Leaf {
  return leaf({ kind: "char", rdev: 0n }, stat);
}

/** A directory of such children. */
export function directory(children: Readonly<Record<string, TreeNode>> = {}, stat: Partial<Stat> = {}): Directory {
  const made = createDirectory(createStat({ mode: 0o755, ...stat }));
  for (const [name, node] of Object.entries(children)) made.entries.set(byteString(Buffer.from(name)), node);
  return made;
}

/** Xattrs of such names and values. */
export function xattrs(values: Readonly<Record<string, string>>): Map<ByteString, Uint8Array> {
  return new Map(Object.entries(values).map(([name, value]) => [name as ByteString, Buffer.from(value)]));
}
