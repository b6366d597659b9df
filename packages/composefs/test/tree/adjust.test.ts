import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { type AdjustTreeOptions, adjustTree, splitHardLinks } from "../../src/tree/adjust.ts";
import { checkTree } from "../../src/tree/check.ts";
import { filterXattrs } from "../../src/tree/filter-xattrs.ts";
import type { ByteString, Directory, Leaf } from "../../src/tree/node.ts";
import { plainTree } from "../support/plain-tree.ts";

function tree(): Directory {
  const lines = [
    "/ 0 40755 2 0 0 0 5.6 - - - user.r=1 trusted.r=1",
    "/a 1 100644 1 0 0 0 5.6 - x - user.a=1 security.capability=1 userx=1",
    "/d 0 40755 2 0 0 0 5.6 - - - security.selinux=1 user.=1",
    "/d/b 0 @0 - - - - - /a",
    "/d/blk 0 60644 1 0 0 9 5.6 - - -",
    "/d/chr 0 20644 1 0 0 9 5.6 - - -",
    "/d/fifo 0 10644 1 0 0 0 5.6 - - -",
    "/d/wh 0 20644 1 0 0 0 5.6 - - -",
  ];
  return parseDumpfileBytes(Buffer.from(lines.join("\n")), { hash: "sha256" });
}

const xattrs = (root: Directory): string[] => plainTree(root).flatMap(({ stat }) => Object.keys(stat.xattrs as object));

test.each<[AdjustTreeOptions, string[]]>([
  [{}, xattrs(tree())],
  [{ skipXattrs: true }, []],
  [{ userXattrs: true }, ["user.r", "user.a", "user.", "user.a"]],
  [{ userXattrs: true, skipXattrs: true }, []],
])("xattrs after %j", (options, expected) => {
  const root = tree();
  adjustTree(root, options);
  expect(xattrs(root)).toEqual(expected);
});

test.each([
  ["allowlist-only", ["security.capability", "security.capability"]],
  ["keep-user-xattrs", ["user.r", "security.capability", "user.a", "user.", "security.capability", "user.a"]],
] as const)("xattrs of mode %s", (mode, expected) => {
  const root = tree();
  filterXattrs(root, mode);
  expect(xattrs(root)).toEqual(expected);
});

test("epoch and devices", () => {
  const root = tree();
  adjustTree(root, { useEpoch: true, skipDevices: true });
  const entries = plainTree(root);
  expect(entries.map(({ path }) => path)).toEqual(["/", "/a", "/d", "/d/b", "/d/fifo"]);
  expect(new Set(entries.map(({ stat }) => stat.mtime))).toEqual(new Set(["0s 0ns"]));
});

test("split links are inodes of their own", () => {
  const root = tree();
  const whiteout = (root.entries.get("d" as ByteString) as Directory).entries.get("wh" as ByteString) as Leaf;
  root.entries.set("wh" as ByteString, whiteout);
  expect(() => checkTree(root)).toThrow();
  splitHardLinks(root);
  checkTree(root);
  expect(plainTree(root).filter(({ linkTo }) => linkTo !== undefined)).toEqual([]);
  const a = root.entries.get("a" as ByteString) as Leaf;
  const b = (root.entries.get("d" as ByteString) as Directory).entries.get("b" as ByteString) as Leaf;
  expect(b).toEqual(a);
  b.stat.xattrs = new Map();
  b.stat.mode = 0;
  expect([a.stat.xattrs.size, a.stat.mode]).toEqual([3, 0o644]);
});
