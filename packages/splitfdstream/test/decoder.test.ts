import { describe, expect, test } from "vitest";
import { createSplitfdstreamDecoder } from "../src/decoder.ts";
import { encodeChunk } from "../src/encode-chunk.ts";

const failure = (code: string, details: Record<string, unknown>): unknown =>
  expect.objectContaining({ name: "SplitfdstreamError", code, details: expect.objectContaining(details) });
const chunk = Uint8Array.from([0xfe, 255, 255, 255, 255, 255, 255, 255, 1, 2]);

describe("errors", () => {
  test.each<[string, number[], string]>([
    ["index of 33 bits", [0, 0, 0, 0, 1, 0, 0, 0], "INDEX_TOO_LARGE"],
    ["-2^63", [0, 0, 0, 0, 0, 0, 0, 0x80], "INVALID_PREFIX"],
    ["-2^63 + 1", [1, 0, 0, 0, 0, 0, 0, 0x80], "INLINE_TOO_LARGE"],
    ["-2^32", [0, 0, 0, 0, 255, 255, 255, 255], "INLINE_TOO_LARGE"],
    ["-2^28 - 1", [255, 255, 255, 0xef, 255, 255, 255, 255], "INLINE_TOO_LARGE"],
  ])("%s: tells where the chunk starts, and stays", (_, prefix, code) => {
    const decoder = createSplitfdstreamDecoder();
    decoder.push(chunk);
    decoder.push(Uint8Array.from(prefix));
    expect(decoder.next()).toEqual({ inline: Uint8Array.from([1, 2]) });
    for (let i = 0; i < 2; i++) {
      expect(() => decoder.next()).toThrow(failure(code, { offset: 10 }));
    }
    decoder.finish();
    expect(() => decoder.next()).toThrow(failure(code, { offset: 10 }));
  });

  test.each([1, 7, 8, 9])("a stream of %i bytes of a chunk is cut", (length) => {
    const decoder = createSplitfdstreamDecoder();
    decoder.push(chunk);
    decoder.push(chunk.subarray(0, length));
    decoder.finish();
    expect(decoder.next()).not.toBeNull();
    expect(() => decoder.next()).toThrow(failure("TRUNCATED", { offset: 10, received: length }));
  });
});

test("the end is found only after finish, and stays", () => {
  const decoder = createSplitfdstreamDecoder();
  expect(decoder.next()).toBeNull();
  decoder.push(chunk);
  decoder.finish();
  expect([decoder.next() === null, decoder.next(), decoder.next()]).toEqual([false, null, null]);
});

test("a length at the cap is taken, its bytes in pieces", () => {
  const decoder = createSplitfdstreamDecoder();
  const inline = new Uint8Array(256 * 1024 * 1024);
  inline[inline.length - 1] = 7;
  for (const piece of encodeChunk({ inline })) {
    for (let at = 0; at < piece.length; at += 2 ** 24) {
      expect(decoder.next()).toBeNull();
      decoder.push(piece.subarray(at, at + 2 ** 24));
    }
  }
  const read = decoder.next();
  expect(read !== null && "inline" in read && [read.inline.length, read.inline.at(-1)]).toEqual([inline.length, 7]);
});
