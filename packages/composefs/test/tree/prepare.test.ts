import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { writeDumpfile } from "../../src/dumpfile/write.ts";
import { lookup } from "../../src/tree/lookup.ts";
import type { Directory } from "../../src/tree/node.ts";
import { copyUsrToRoot, emptyRun, prepareBootTree, prepareTree } from "../../src/tree/prepare.ts";

function tree(...lines: string[]): Directory {
  const text = ["/ 0 40755 2 0 0 0 0.0 - - -", ...lines].join("\n");
  return parseDumpfileBytes(Buffer.from(text), { hash: "sha256" });
}

const text = (root: Directory): string[] => [...writeDumpfile(root)].join("").split("\n").slice(0, -1);
const USR = "/usr 0 40711 2 1 2 0 5.6 - - - user.a=b security.capability=c security.selinux=d";
const directory = (path: string): string => `${path} 0 40700 2 0 0 0 1.1 - - -`;
const file = (path: string): string => `${path} 1 100644 1 0 0 0 1.1 - x -`;

test("all steps; xattrs of /usr pass to the root and are filtered there too", () => {
  const root = tree(USR, directory("/run"), file("/run/x"), directory("/run/d"), file("/run/d/y"));
  prepareTree(root);
  expect(text(root)).toEqual([
    "/ 0 40711 4 1 2 0 5.6 - - - security.capability=c",
    "/run 0 40700 2 0 0 0 5.6 - - -",
    "/usr 0 40711 2 1 2 0 5.6 - - - security.capability=c",
  ]);
});

test("the root's Stat is a copy", () => {
  const root = tree(USR);
  copyUsrToRoot(root);
  root.stat.xattrs = new Map();
  root.stat.mode = 0;
  expect(text(root)[1]).toBe("/usr 0 40711 2 1 2 0 5.6 - - - security.capability=c security.selinux=d user.a=b");
});

test("without /run its step does nothing, not even ask for /usr", () => {
  const root = tree(file("/a"));
  emptyRun(root);
  expect(text(root)).toHaveLength(2);
});

test.each<[string, (root: Directory) => void, string[], string]>([
  ["no /usr", prepareTree, [directory("/run")], "/usr"],
  ["/usr a file", prepareTree, [file("/usr")], "/usr"],
  ["/run a file", prepareTree, [USR, file("/run")], "/run"],
  ["/run without /usr", emptyRun, [directory("/run")], "/usr"],
  ["boot: no /usr", prepareBootTree, [directory("/boot"), directory("/sysroot")], "/usr"],
  ["boot: no /boot", prepareBootTree, [USR, directory("/sysroot")], "/boot"],
  ["boot: no /sysroot", prepareBootTree, [USR, directory("/boot"), file("/boot/kernel")], "/sysroot"],
  ["boot: /boot a symlink", prepareBootTree, [USR, "/boot 1 120777 1 0 0 0 0.0 x - -"], "/boot"],
])("%s", (_, step, lines, path) => {
  const root = tree(...lines);
  expect(() => step(root)).toThrow(
    expect.objectContaining({ code: "TREE_INVALID", details: expect.objectContaining({ path }) }),
  );
});

test("what stands in a directory's place is called what users call it", () => {
  const root = tree(USR, directory("/sysroot"), "/boot 1 120777 1 0 0 0 0.0 x - -");
  expect(() => prepareBootTree(root)).toThrow("/boot: expected a directory, found a symbolic link");
});

test("a boot tree that is refused is left as it was", () => {
  const root = tree(USR, directory("/boot"), file("/boot/kernel"));
  expect(() => prepareBootTree(root)).toThrow();
  expect(lookup(root, Buffer.from("/boot/kernel"))).toBeDefined();
});
