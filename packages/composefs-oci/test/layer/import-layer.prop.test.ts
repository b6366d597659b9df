import { buffer } from "node:stream/consumers";
import type { Repository } from "@composefs/core";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storeTarLayer } from "../../src/layer/import-layer.ts";
import { noise, sha256, tar } from "../tar-builder.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";

let repository: Repository;
beforeAll(async () => {
  repository = await tempRepository();
});
afterAll(removeRepositories);

const entry = fc.record({
  size: fc.oneof(fc.nat(2000), fc.constantFrom(0, 63, 64, 65, 512, 2 ** 20, 2 ** 20 + 1)),
  type: fc.constantFrom("0", "\0", "7", "5", "2", "Z"),
});

test("the splitstream does not depend on how the tar is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 }),
      async (entries, cuts) => {
        const archive = tar(entries.map(({ size, type }, i) => ({ name: `f${i}`, type, content: noise(size) })));
        const diffId = sha256(archive);
        let chunkCount = 0;
        async function* chunks(): AsyncGenerator<Uint8Array> {
          for (let at = 0; at < archive.length; chunkCount++) {
            const size = cuts[chunkCount % cuts.length] as number;
            yield Uint8Array.from(archive.subarray(at, at + size));
            at += size;
          }
        }
        async function* whole(): AsyncGenerator<Uint8Array> {
          yield archive;
        }
        let released = 0;
        const release = (chunk: Uint8Array): void => {
          chunk.fill(0xa5); // as if it were used again
          released++;
        };
        const cut = await storeTarLayer(repository, diffId, chunks(), { release });
        expect(released).toBe(chunkCount);
        const stream = await repository.openStreamObject(cut.id, "test");
        expect((await buffer(repository.readStream(stream))).equals(archive)).toBe(true);
        expect((await storeTarLayer(repository, diffId, whole())).id).toBe(cut.id);
      },
    ),
    { numRuns: 40 },
  );
});

test.each([4096, 300_001, 1_048_576])(
  "chunks of %i bytes are used again while others are on their way",
  async (size) => {
    const files = [700_000, 3_000_000, 100, 65, 500_000].flatMap((bytes) => [bytes, bytes, bytes]);
    const archive = tar(files.map((bytes, i) => ({ name: `f${i}`, content: noise(bytes) })));
    const free: Uint8Array[] = [];
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < archive.length; at += size) {
        const chunk = free.pop() ?? new Uint8Array(size);
        const bytes = archive.subarray(at, at + size);
        chunk.set(bytes);
        yield chunk.subarray(0, bytes.length);
      }
    }
    let reused = 0;
    const release = (chunk: Uint8Array): void => {
      reused++;
      free.push(new Uint8Array(chunk.buffer).fill(0xa5));
    };
    const { id } = await storeTarLayer(repository, sha256(archive), chunks(), { release });
    expect(reused).toBe(Math.ceil(archive.length / size));
    const stream = await repository.openStreamObject(id, "test");
    expect((await buffer(repository.readStream(stream))).equals(archive)).toBe(true);
  },
);
