import { expect, test } from "vitest";
import type { ObjectId } from "../../src/fsverity/object-id.ts";
import { checkTree, MAX_NAME_BYTES } from "../../src/tree/check.ts";
import {
  type ByteString,
  createDirectory,
  createStat,
  type Directory,
  type LeafContent,
  type Stat,
  type TreeNode,
} from "../../src/tree/node.ts";

function tree(children: Readonly<Record<string, TreeNode>>): Directory {
  return { stat: createStat({ mode: 0o755 }), entries: new Map(Object.entries(children) as [ByteString, TreeNode][]) };
}

const leaf = (content: LeafContent, stat: Partial<Stat> = {}): TreeNode => ({ stat: createStat(stat), content });
const fifo: LeafContent = { kind: "fifo" };
const id = "0".repeat(64) as ObjectId;
const whiteout = leaf({ kind: "char", rdev: 0n });
const linked = leaf({ kind: "char", rdev: 1n });
const block = leaf({ kind: "block", rdev: 0n });
const shared = createDirectory();
const circle = createDirectory();
circle.entries.set("in" as ByteString, circle);

test.each<[string, Directory]>([
  ["an empty tree", createDirectory()],
  ["the greatest values", tree({ a: leaf(fifo, { mode: 0o7777, uid: 2 ** 32 - 1, gid: 2 ** 32 - 1 }) })],
  ["the least time", tree({ a: leaf(fifo, { mtimeSeconds: -(2n ** 63n), mtimeNanoseconds: 999_999_999 }) })],
  ["the greatest size", tree({ a: leaf({ kind: "external", id, size: 2n ** 64n - 1n }) })],
  ["the greatest device", tree({ a: leaf({ kind: "char", rdev: 2n ** 32n - 1n }) })],
  ["one whiteout, linked devices", tree({ w: whiteout, a: linked, b: linked, c: block, d: block })],
  ["the longest name", tree({ ["n".repeat(MAX_NAME_BYTES)]: createDirectory() })],
])("takes %s", (_, root) => {
  expect(() => checkTree(root)).not.toThrow();
});

test.each<[string, Directory, string]>([
  ["a whiteout with two names", tree({ a: whiteout, d: tree({ b: whiteout }) }), "/d/b"],
  ["a device number of 2^32", tree({ a: leaf({ kind: "block", rdev: 2n ** 32n }) }), "/a"],
  ["a negative device number", tree({ a: leaf({ kind: "char", rdev: -1n }) }), "/a"],
  ["a name of 4085 bytes", tree({ d: tree({ ["n".repeat(MAX_NAME_BYTES + 1)]: createDirectory() }) }), "/d"],
  ["an empty name", tree({ "": leaf(fifo) }), "/"],
  ["a dot", tree({ ".": leaf(fifo) }), "/"],
  ["two dots", tree({ d: tree({ "..": createDirectory() }) }), "/d"],
  ["a slash in a name", tree({ "a/b": leaf(fifo) }), "/"],
  ["NUL in a name", tree({ "a\0": leaf(fifo) }), "/"],
  ["type bits in mode", tree({ a: leaf(fifo, { mode: 0o10644 }) }), "/a"],
  ["a mode of a fraction", tree({ a: leaf(fifo, { mode: 0.5 }) }), "/a"],
  ["a great uid", tree({ a: leaf(fifo, { uid: 2 ** 32 }) }), "/a"],
  ["a negative gid", tree({ a: leaf(fifo, { gid: -1 }) }), "/a"],
  ["seconds above 63 bits", tree({ a: leaf(fifo, { mtimeSeconds: 2n ** 63n }) }), "/a"],
  ["10^9 nanoseconds", tree({ a: leaf(fifo, { mtimeNanoseconds: 1e9 }) }), "/a"],
  ["a size of 2^64", tree({ a: leaf({ kind: "sparse", size: 2n ** 64n }) }), "/a"],
  ["a directory in two places", tree({ a: shared, b: shared }), "/b"],
  ["a directory in itself", tree({ a: circle }), "/a/in"],
])("refuses %s", (_, root, path) => {
  expect(() => checkTree(root)).toThrow(
    expect.objectContaining({ code: "TREE_INVALID", details: expect.objectContaining({ path }) }),
  );
});
