import { createHash } from "node:crypto";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { Digester, hashImplementations, useHashImplementation } from "../src/index.ts";
import { pattern } from "./support.ts";

afterEach(() => {
  useHashImplementation(hashImplementations()[0] as string);
});

// Around a block of the hash, and around what is hashed before others are looked at, two of which go side by side.
const size = fc.oneof(fc.nat(200), fc.nat(5000), fc.nat(300_000), fc.integer({ min: 65_400, max: 65_700 }));
const pieces = fc.array(size, { maxLength: 6 });

test.each(hashImplementations())("%s: pieces of several digests at once, as node:crypto has them", async (name) => {
  const source = pattern(400_000);
  useHashImplementation(name);
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { minLength: 1, maxLength: 6 }), async (digests) => {
      const found = digests.map(async (sizes, i) => {
        const digester = new Digester("sha256");
        for (const length of sizes) void digester.update(source.subarray(i, i + length));
        return digester.digest();
      });
      const expected = digests.map((sizes, i) => {
        const hash = createHash("sha256");
        for (const length of sizes) hash.update(source.subarray(i, i + length));
        return hash.digest("hex");
      });
      expect(await Promise.all(found)).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});
