import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { DIGEST_BYTES, type HashName, hashImplementations, useHashImplementation, verityDigest } from "../src/index.ts";
import { pattern } from "./support.ts";

afterEach(() => {
  useHashImplementation(hashImplementations()[0] as string);
});

// The kernel's documentation in a few lines of node:crypto (repository.md §3).
function treeDigest(content: Uint8Array, hash: HashName): Buffer {
  const digest = (data: Uint8Array): Buffer => createHash(hash).update(data).digest();
  let level: Uint8Array = content;
  let root: Uint8Array = new Uint8Array(DIGEST_BYTES[hash]);
  while (level.length > 0) {
    const blocks: Buffer[] = [];
    for (let at = 0; at < level.length; at += 4096) {
      const block = Buffer.alloc(4096);
      block.set(level.subarray(at, at + 4096));
      blocks.push(digest(block));
    }
    level = Buffer.concat(blocks);
    root = level;
    if (blocks.length === 1) break;
  }
  const descriptor = Buffer.alloc(256);
  descriptor.set([1, hash === "sha256" ? 1 : 2, 12]);
  descriptor.writeBigUInt64LE(BigInt(content.length), 8);
  descriptor.set(root, 16);
  return digest(descriptor);
}

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
