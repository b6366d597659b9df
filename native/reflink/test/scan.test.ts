import { closeSync, linkSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SCAN_KINDS, type ScannedTree, scanDirectory } from "../src/scan.ts";

const root = mkdtempSync(join(tmpdir(), "reflink-scan-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeAll(() => {
  mkdirSync(join(root, "b"));
  writeFileSync(join(root, "b/two"), "12345");
  writeFileSync(join(root, "a"), "1234");
  linkSync(join(root, "a"), join(root, "b/one"));
  symlinkSync("to/there", join(root, "c"));
});

async function scan(inlineLimit: number): Promise<ScannedTree> {
  const fd = openSync(root, "r");
  try {
    const result = await scanDirectory(fd, { hash: "sha256", inlineLimit });
    if ("failure" in result) throw new Error(result.failure.reason);
    return result.tree;
  } finally {
    closeSync(fd);
  }
}

function pieces(bytes: Buffer, lengths: ArrayLike<number>): string[] {
  let at = 0;
  return Array.from(lengths, (length) => {
    at += length;
    return bytes.toString("latin1", at - length, at);
  });
}

describe("scanDirectory", () => {
  test("lists nodes depth first, names in order, each node once", async () => {
    const tree = await scan(4);
    const kinds = Array.from(tree.kinds, (kind) => SCAN_KINDS[kind]);
    expect(kinds).toEqual(["directory", "inline", "directory", "external", "symlink"]);
    expect(pieces(tree.names, tree.nameLengths)).toEqual(["a", "b", "one", "two", "c"]);
    expect([...tree.entryParents]).toEqual([0, 0, 2, 2, 0]);
    expect([...tree.entryNodes]).toEqual([1, 2, 1, 3, 4]);
    expect([...tree.sizes].slice(1, 4)).toEqual([4, 0, 5]);
    const [, inline, , digest, target] = pieces(tree.contents, tree.contentLengths);
    expect([inline, digest?.length, target]).toEqual(["1234", 32, "to/there"]);
  });

  test.each([
    [3, 0],
    [4, 1],
    [5, 2],
  ])("with an inline limit of %i bytes %i files are inline", async (limit, count) => {
    const tree = await scan(limit);
    expect(Array.from(tree.kinds, (kind) => SCAN_KINDS[kind]).filter((kind) => kind === "inline").length).toBe(count);
  });

  test("a descriptor that is no directory is the kernel's error at the root", async () => {
    const fd = openSync(join(root, "a"), "r");
    try {
      expect(await scanDirectory(fd, { hash: "sha256", inlineLimit: 64 })).toEqual({
        failure: { reason: "kernel", path: Buffer.alloc(0), syscall: "openat", errno: 20 },
      });
    } finally {
      closeSync(fd);
    }
  });

  test("many scans at once do not wait for one another", async () => {
    const trees = await Promise.all(Array.from({ length: 40 }, () => scan(4)));
    for (const tree of trees) expect(tree.kinds.length).toBe(5);
  });
});
