import { expect, test } from "vitest";
import { encodeChunk } from "../src/encode-chunk.ts";

const failure = (code: string): unknown => expect.objectContaining({ name: "SplitfdstreamError", code });

test("inline bytes are not copied, and none need no chunk", () => {
  const inline = Uint8Array.from([1]);
  expect(encodeChunk({ inline })[1]).toBe(inline);
  expect(encodeChunk({ inline: new Uint8Array(0) })).toEqual([]);
});

test("what no reader takes is not written", () => {
  expect(() => encodeChunk({ inline: new Uint8Array(256 * 1024 * 1024 + 1) })).toThrow(failure("INLINE_TOO_LARGE"));
  expect(() => encodeChunk({ external: 2 ** 32 })).toThrow(failure("INDEX_TOO_LARGE"));
  expect(encodeChunk({ external: 2 ** 32 - 1 })).toEqual([Uint8Array.from([255, 255, 255, 255, 0, 0, 0, 0])]);
  for (const external of [-1, 0.5, Number.NaN]) {
    expect(() => encodeChunk({ external })).toThrow(RangeError);
  }
});
