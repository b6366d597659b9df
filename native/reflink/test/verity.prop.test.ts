import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { digestFiles, hashImplementations, useHashImplementation, verityDigest } from "../src/index.ts";
import { open, pattern, temporaryDirectory, treeDigest } from "./support.ts";

afterEach(() => {
  useHashImplementation(hashImplementations()[0] as string);
});

test.each(["sha256", "sha512"] as const)("%s: every implementation agrees with node:crypto", (hash) => {
  const source = pattern(2_500_000);
  fc.assert(
    fc.property(fc.oneof(fc.nat(10_000), fc.nat(600_000), fc.nat(2_400_000)), fc.nat(99_999), (length, offset) => {
      const content = source.subarray(offset, offset + length);
      const expected = treeDigest(content, hash).toString("hex");
      for (const name of hashImplementations()) {
        expect(useHashImplementation(name)).toBe(true);
        expect([name, Buffer.from(verityDigest(content, hash)).toString("hex")]).toEqual([name, expected]);
      }
    }),
    { numRuns: 40 },
  );
});

// A block more or less decides which vectors are full and how many levels the tree has.
const BLOCKS = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 256, 257,
];
const LENGTHS = [0, 1, ...BLOCKS.flatMap((blocks) => [blocks * 4096 - 1, blocks * 4096, blocks * 4096 + 1])];

test.each(["sha256", "sha512"] as const)(
  "%s: every implementation around every boundary, in memory and as small files hashed together",
  async (hash) => {
    const dir = temporaryDirectory();
    const expected = LENGTHS.map((length) => treeDigest(pattern(length), hash).toString("hex"));
    for (const length of LENGTHS) writeFileSync(join(dir, `${length}`), pattern(length));
    const names = LENGTHS.map(String);
    for (const name of hashImplementations()) {
      useHashImplementation(name);
      const inMemory = LENGTHS.map((length) => Buffer.from(verityDigest(pattern(length), hash)).toString("hex"));
      expect([name, ...inMemory]).toEqual([name, ...expected]);
      // In both orders, so that the groups differ.
      for (const order of [names, [...names].reverse()]) {
        const found = await digestFiles(open(dir), order, hash, { requireVerity: false });
        const ids = new Map(found.map((digest, i) => [order[i], "id" in digest ? digest.id : digest.failure]));
        expect([name, ...names.map((file) => ids.get(file))]).toEqual([name, ...expected]);
      }
    }
  },
);
