import { expect, test } from "vitest";
import { encodeDirChunk } from "../../src/dir/encode-chunk.ts";

const failure = (code: string): unknown => expect.objectContaining({ name: "SplitfdstreamError", code });
const name = Uint8Array.of(0x61);

test("bytes are not copied; empty content has a chunk, empty metadata has none", () => {
  const bytes = Uint8Array.of(1);
  expect(encodeDirChunk({ metadata: bytes })[1]).toBe(bytes);
  expect(Buffer.concat(encodeDirChunk({ inlineData: new Uint8Array(0) })).toString("hex")).toBe("0100000000");
  expect(encodeDirChunk({ metadata: new Uint8Array(0) })).toEqual([]);
});

test("what no reader takes is not written", () => {
  const large = new Uint8Array(256 * 1024 * 1024 + 1);
  expect(() => encodeDirChunk({ metadata: large })).toThrow(failure("INLINE_TOO_LARGE"));
  expect(() => encodeDirChunk({ inlineData: large })).toThrow(failure("INLINE_TOO_LARGE"));
  expect(() => encodeDirChunk({ fileBacked: { directory: 2 ** 32, name, size: 0 } })).toThrow(
    failure("INDEX_TOO_LARGE"),
  );
  expect(() => encodeDirChunk({ fileBacked: { directory: 0, name: new Uint8Array(4097).fill(1), size: 0 } })).toThrow(
    failure("FILENAME_TOO_LONG"),
  );
  expect(() => encodeDirChunk({ fileBacked: { directory: 0, name: Buffer.from("a/.."), size: 0 } })).toThrow(
    failure("INVALID_FILENAME"),
  );
  for (const bad of [-1, 0.5, 2 ** 53]) {
    expect(() => encodeDirChunk({ fileBacked: { directory: 0, name, size: bad } })).toThrow(RangeError);
  }
});
