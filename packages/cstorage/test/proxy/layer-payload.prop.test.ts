import fc from "fast-check";
import { expect, test } from "vitest";
import { entryPath } from "../../src/entry-path.ts";
import { CstorageError } from "../../src/errors.ts";
import type { LayerRun } from "../../src/layer-batch.ts";
import { decodeRun, encodeRun } from "../../src/proxy/layer-payload.ts";

const name = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 ? 1 : byte))));
const file = fc.record({
  name,
  size: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  crc64: fc.option(fc.uint8Array({ minLength: 8, maxLength: 8 })),
});
const item = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 50 }).map((inline) => ({ inline })),
  file,
);
const run = fc.record({ items: fc.array(item), firstFile: fc.nat() }).map(({ items, firstFile }): LayerRun => {
  let next = firstFile;
  const chunks = items.map((one) => ("inline" in one ? one : { external: next++ }));
  const files = items.flatMap((one) => ("inline" in one ? [] : [{ ...one, path: entryPath(one.name) }]));
  return { chunks, files, firstFile };
});
/** Plain arrays, whatever kind of byte array they were. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, field) => (ArrayBuffer.isView(field) ? [...(field as Buffer)] : field)));
const unbuffered = ({ chunks, files, firstFile }: LayerRun): unknown =>
  plain({
    chunks: chunks.map((chunk) => ("inline" in chunk ? { inline: Array.from(chunk.inline) } : chunk)),
    files: files.map(({ name: n, path, size, crc64 }) => ({
      name: Array.from(n),
      path: Array.from(path),
      size,
      crc64: crc64 === null ? null : Array.from(crc64),
    })),
    firstFile,
  });

test("what is encoded is decoded", () => {
  fc.assert(
    fc.property(run, (original) => {
      const decoded = decodeRun(encodeRun(original), original.files.length, original.firstFile);
      expect(unbuffered(decoded.run)).toEqual(unbuffered(original));
    }),
  );
});

test("any other bytes are a run or a protocol error", () => {
  const attempt = (bytes: Uint8Array, count: number, first: number): void => {
    try {
      decodeRun(bytes, count, first);
    } catch (error) {
      expect(error).toBeInstanceOf(CstorageError);
      expect(error).toMatchObject({ code: "HELPER_PROTOCOL" });
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5), fc.nat(5), attempt));
  fc.assert(
    fc.property(run, fc.nat(), fc.nat(255), fc.nat(), (original, at, byte, cut) => {
      const bytes = encodeRun(original);
      if (bytes.length > 0) bytes[at % bytes.length] = byte;
      attempt(bytes, original.files.length, original.firstFile);
      attempt(bytes.subarray(0, cut % (bytes.length + 1)), original.files.length, original.firstFile);
    }),
  );
});
