import fc from "fast-check";
import { expect, test } from "vitest";
import type { ChunkDecoder } from "../src/chunk-decoder.ts";
import { createSplitfdstreamDecoder } from "../src/decoder.ts";
import { createSplitdirfdstreamDecoder } from "../src/dir/decoder.ts";
import { encodeDirChunk } from "../src/dir/encode-chunk.ts";
import type { SplitDirChunk } from "../src/dir/split-dir-chunk.ts";
import { encodeChunk } from "../src/encode-chunk.ts";
import { SplitfdstreamError } from "../src/errors.ts";
import type { SplitChunk } from "../src/split-chunk.ts";

const cuts = fc.array(fc.nat({ max: 20_000 }), { maxLength: 60 });
const index = fc.oneof(fc.nat({ max: 5 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const data = fc.uint8Array({ maxLength: 6000 });

const splitChunk: fc.Arbitrary<SplitChunk> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 6000 }).map((inline) => ({ inline })),
  index.map((external) => ({ external })),
);
const splitDirChunk: fc.Arbitrary<SplitDirChunk> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 6000 }).map((metadata) => ({ metadata })),
  data.map((inlineData) => ({ inlineData })),
  fc
    .record({
      directory: index,
      name: fc.uint8Array({ min: 1, minLength: 1, maxLength: 300 }).filter((name) => name[0] !== 0x2f),
      size: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    })
    // No `..` by chance: it is refused.
    .map((file) => ({ fileBacked: { ...file, name: file.name.map((byte) => (byte === 0x2e ? 0x61 : byte)) } })),
);

/** Runs a decoder over cut bytes; each piece is overwritten when the decoder asks for more. */
function run<Chunk>(decoder: ChunkDecoder<Chunk>, bytes: Uint8Array, places: readonly number[]) {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  const chunks: unknown[] = [];
  const drain = (): void => {
    for (let chunk = decoder.next(); chunk !== null; chunk = decoder.next()) {
      chunks.push(structuredClone(chunk));
    }
  };
  try {
    at.slice(1).forEach((end, i) => {
      const piece = bytes.slice(at[i], end);
      decoder.push(piece);
      drain();
      piece.fill(0xee);
    });
    decoder.finish();
    drain();
  } catch (error) {
    if (!(error instanceof SplitfdstreamError)) {
      throw error;
    }
    return { chunks, code: error.code, details: error.details };
  }
  return { chunks };
}

test("splitfdstream: what is encoded is decoded, however it is cut", () => {
  fc.assert(
    fc.property(fc.array(splitChunk, { maxLength: 8 }), cuts, (chunks, places) => {
      const bytes = Uint8Array.from(Buffer.concat(chunks.flatMap(encodeChunk)));
      expect(run(createSplitfdstreamDecoder(), bytes, places)).toEqual({ chunks });
    }),
  );
});

test("splitdirfdstream: what is encoded is decoded, however it is cut", () => {
  fc.assert(
    fc.property(fc.array(splitDirChunk, { maxLength: 8 }), cuts, (chunks, places) => {
      const bytes = Uint8Array.from(Buffer.concat(chunks.flatMap(encodeDirChunk)));
      expect(run(createSplitdirfdstreamDecoder(), bytes, places)).toEqual({ chunks });
    }),
  );
});

test.each([
  ["splitfdstream", createSplitfdstreamDecoder],
  ["splitdirfdstream", createSplitdirfdstreamDecoder],
])("%s: arbitrary bytes give chunks or a SplitfdstreamError, however they are cut", (_, create) => {
  // Small numbers make lengths that can be met.
  const bytes = fc.array(fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 0, 0, 1, 2, 3, 255, 255)), {
    maxLength: 400,
  });
  fc.assert(
    fc.property(bytes, cuts, (values, places) => {
      const input = Uint8Array.from(values);
      expect(run<unknown>(create(), input, places)).toEqual(run<unknown>(create(), input, []));
    }),
    { numRuns: 500 },
  );
});
