import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { lookup } from "../../src/tree/lookup.ts";
import { walkTree } from "../../src/tree/walk.ts";

const root = parseDumpfileBytes(
  Buffer.from(
    [
      "/ 0 40755 4 0 0 0 0.0 - - -",
      "/etc 0 40755 3 0 0 0 0.0 - - -",
      "/etc/conf 0 40755 2 0 0 0 0.0 - - -",
      "/etc/conf/\\xff 1 100644 1 0 0 0 0.0 - x -",
      "/link 4 120777 1 0 0 0 0.0 /etc - -",
    ].join("\n"),
  ),
  { hash: "sha256" },
);

const pathOf = (path: string): string | undefined => {
  const node = lookup(root, Buffer.from(path, "latin1"));
  return [...walkTree(root)].find((visit) => visit.node === node)?.path;
};

test.each([
  ["/", "/"],
  ["", "/"],
  [".", "/"],
  ["//", "/"],
  ["/etc", "/etc"],
  ["etc/", "/etc"],
  ["./etc//conf/.", "/etc/conf"],
  ["/etc/conf/\xff", "/etc/conf/\xff"],
  ["/link", "/link"],
])("%j is %j", (path, expected) => {
  expect(pathOf(path)).toBe(expected);
});

test.each([
  ["/usr", "/usr"],
  ["/usr/bin/sh", "/usr"],
  ["etc/conf/y", "/etc/conf/y"],
  ["/etc/conf/\xff/z", "/etc/conf/\ufffd"],
  ["/link/conf", "/link"],
])("%j: missing is %j", (path, missing) => {
  expect(() => pathOf(path)).toThrow(
    expect.objectContaining({ code: "PATH_NOT_FOUND", details: expect.objectContaining({ missing }) }),
  );
});

test.each(["..", "/etc/../etc", "/etc/..", "/etc/conf\0"])("%j is refused", (path) => {
  expect(() => pathOf(path)).toThrow(expect.objectContaining({ code: "PATH_INVALID" }));
});
