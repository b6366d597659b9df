import { expect, test } from "vitest";
import { createSplitdirfdstreamDecoder, decodeDirStream } from "../../src/dir/decoder.ts";

const failure = (code: string, details: Record<string, unknown>): unknown =>
  expect.objectContaining({ name: "SplitfdstreamError", code, details: expect.objectContaining(details) });
/** A file chunk with the given bytes of its size. */
const file = (...size: number[]): number[] => [2, ...size, 7, 0, 0, 0, 1, 0, 0, 0, 0x61];

test("sizes pass 32 bits, up to a safe integer", () => {
  const decoder = createSplitdirfdstreamDecoder();
  decoder.push(Uint8Array.from([...file(1, 0, 0, 0, 2, 0, 0, 0), ...file(255, 255, 255, 255, 255, 255, 0x1f, 0)]));
  const name = Uint8Array.of(0x61);
  expect(decoder.next()).toEqual({ fileBacked: { directory: 7, name, size: 2 ** 33 + 1 } });
  expect(decoder.next()).toEqual({ fileBacked: { directory: 7, name, size: Number.MAX_SAFE_INTEGER } });
});

test.each([
  ["size", file(0, 0, 0, 0, 0, 0, 0x20, 0), "EXTERNAL_TOO_LARGE"],
  ["metadata", [0, 1, 0, 0, 0x10], "INLINE_TOO_LARGE"],
  ["content", [1, 1, 0, 0, 0x10], "INLINE_TOO_LARGE"],
  ["name", [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], "FILENAME_TOO_LONG"],
  ["type", [0xff], "UNKNOWN_CHUNK_TYPE"],
])("too much: %s", (_, bytes, code) => {
  const decoder = createSplitdirfdstreamDecoder();
  decoder.push(Uint8Array.from([1, 0, 0, 0, 0, ...bytes]));
  expect(decoder.next()).toEqual({ inlineData: new Uint8Array(0) });
  expect(() => decoder.next()).toThrow(failure(code, { offset: 5 }));
});

test("chunks before a fault come out of a stream", async () => {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.from([0, 1, 0, 0, 0, 9, 3]);
  }
  const chunks = decodeDirStream(source());
  expect(await chunks.next()).toEqual({ done: false, value: { metadata: Uint8Array.of(9) } });
  await expect(chunks.next()).rejects.toThrow(failure("UNKNOWN_CHUNK_TYPE", { offset: 6, type: 3 }));
});
