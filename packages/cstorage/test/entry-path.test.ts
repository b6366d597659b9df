import { expect, test } from "vitest";
import { entryPath } from "../src/entry-path.ts";

test.each<[name: string, path: string]>([
  ["usr/bin/sh", "usr/bin/sh"],
  ["./usr", "usr"],
  ["/usr/bin", "usr/bin"],
  ["usr//bin", "usr/bin"],
  ["usr/./bin/", "usr/bin"],
  ["usr/x/../bin", "usr/bin"],
  ["../../etc/passwd", "etc/passwd"],
  ["a/../../b", "b"],
  ["a/b/..", "a"],
  ["..", ""],
  ["/", ""],
  [".", ""],
  ["", ""],
  ["...", "..."],
  ["a/.../b", "a/.../b"],
  [".a/..b/c.", ".a/..b/c."],
  ["a/.hidden", "a/.hidden"],
  ["a\\..\\b", "a\\..\\b"],
  ["a\n/../b", "b"],
])("%j -> %j", (name, path) => {
  expect(Buffer.from(entryPath(Buffer.from(name))).toString()).toBe(path);
});

test("keeps bytes that are not UTF-8", () => {
  const name = Buffer.from([0x2f, 0xff, 0xc3, 0x2f, 0x2f, 0x80]);
  expect([...entryPath(name)]).toEqual([0xff, 0xc3, 0x2f, 0x80]);
});
