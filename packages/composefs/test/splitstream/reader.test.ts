import { describe, expect, test } from "vitest";
import { parseSplitstream, type SplitstreamPart } from "../../src/index.ts";
import { zstdFrame } from "../../src/zstd.ts";
import { buildSplitstream, prefix, type Sections } from "./builder.ts";

const digest = (digit: string): Buffer => Buffer.from(digit.repeat(64), "hex");
const corrupt = expect.objectContaining({ name: "ComposefsError", code: "STREAM_CORRUPT" });

function read(file: Uint8Array) {
  const stream = parseSplitstream(file, "sha256", "test");
  return { ...stream, all: [...stream.parts()] };
}
const text = (parts: readonly SplitstreamPart[]): string =>
  parts.map((part) => ("inline" in part ? Buffer.from(part.inline).toString() : `<${part.object[0]}>`)).join("");

const GOOD: Sections = {
  streamRefs: Buffer.concat([digest("1"), digest("2")]),
  objectRefs: Buffer.concat([digest("a"), digest("b")]),
  names: Buffer.from("1:first:name\0" + "0:second\0" + "1:\0"),
  chunks: Buffer.concat([
    prefix(-5n),
    Buffer.from("hello"),
    prefix(1n),
    prefix(0n),
    prefix(1n),
    prefix(-1n),
    Buffer.from("!"),
  ]),
  size: 1234n,
};

describe.each([
  ["as written", {}],
  ["the first header layout", { old: true }],
  ["relocated sections and a longer info section", { gap: 13 }],
  ["both", { old: true, gap: 5 }],
  [
    "sections of several frames",
    { stream: twoFrames(GOOD.chunks as Buffer), namedRefs: twoFrames(GOOD.names as Buffer) },
  ],
])("%s", (_, change) => {
  test("reads", () => {
    const stream = read(buildSplitstream({ ...GOOD, ...change }));
    expect(stream).toMatchObject({ type: "testtype", size: 1234, objectRefs: ["a".repeat(64), "b".repeat(64)] });
    expect(text(stream.all)).toBe("hello<b><a><b>!");
    expect([...stream.namedRefs]).toEqual([
      ["first:name", "2".repeat(64)],
      ["second", "1".repeat(64)],
      ["", "2".repeat(64)],
    ]);
  });
});

function twoFrames(data: Uint8Array): Buffer {
  return Buffer.concat([zstdFrame(data.subarray(0, 3)), zstdFrame(new Uint8Array(0)), zstdFrame(data.subarray(3))]);
}

test("parts can be read again, and a file may lie anywhere in its memory", () => {
  const file = buildSplitstream(GOOD);
  const view = new Uint8Array(new ArrayBuffer(file.length + 9), 5, file.length);
  view.set(file);
  const stream = parseSplitstream(view, "sha256", "test");
  expect(text([...stream.parts()])).toBe(text([...stream.parts()]));
});

const BAD: [string, Sections][] = [
  ["an empty stream section", { ...GOOD, stream: new Uint8Array(0) }],
  ["an empty section of names", { ...GOOD, namedRefs: new Uint8Array(0) }],
  ["a stream that is no zstd", { ...GOOD, stream: Buffer.from("text") }],
  ["a stream cut off", { ...GOOD, stream: zstdFrame(GOOD.chunks as Buffer).subarray(0, -1) }],
  ["trailing junk", { ...GOOD, stream: Buffer.concat([zstdFrame(new Uint8Array(0)), Buffer.from("junk")]) }],
  ["half a prefix", { ...GOOD, chunks: prefix(0n).subarray(0, 5) }],
  ["a short run", { ...GOOD, chunks: Buffer.concat([prefix(-5n), Buffer.from("four")]) }],
  ["a run of 2^40", { ...GOOD, chunks: Buffer.concat([prefix(-(2n ** 40n)), Buffer.from("x")]) }],
  ["a run of 2^60", { ...GOOD, chunks: prefix(-(2n ** 60n)) }],
  ["a run of 2^63", { ...GOOD, chunks: prefix(-(2n ** 63n)) }],
  ["object 2 of 2", { ...GOOD, chunks: prefix(2n) }],
  ["object 2^62", { ...GOOD, chunks: prefix(2n ** 62n) }],
  ["half a digest", { ...GOOD, objectRefs: Buffer.alloc(48) }],
  ["half a digest of a stream", { ...GOOD, streamRefs: Buffer.alloc(31) }],
  ["a size of 2^63", { ...GOOD, size: 2n ** 63n }],
  ["a name without its end", { ...GOOD, names: Buffer.from("0:a") }],
  ["a name without a colon", { ...GOOD, names: Buffer.from("0a\0") }],
  ["a name without an index", { ...GOOD, names: Buffer.from(":a\0") }],
  ["a name with an index that is no number", { ...GOOD, names: Buffer.from("x:a\0") }],
  ["a name with a negative index", { ...GOOD, names: Buffer.from("-1:a\0") }],
  ["a name out of bounds", { ...GOOD, names: Buffer.from("2:a\0") }],
  ["an empty name record", { ...GOOD, names: Buffer.from("0:a\0\0") }],
  ["names that fill the memory", { ...GOOD, namedRefs: bomb(3_000) }],
];

/** Frames of a hundred bytes or so, of 128 KiB of zeros each. */
function bomb(frames: number): Buffer {
  const one = zstdFrame(new Uint8Array(131_072));
  return Buffer.concat(Array.from({ length: frames }, () => one));
}

test.each(BAD)("corrupt: %s", (_, sections) => {
  expect(() => read(buildSplitstream(sections))).toThrow(corrupt);
});

test("a stream that grows a thousandfold is read in small pieces", () => {
  const length = 128n * 1024n * 3000n - 8n;
  const zeros = zstdFrame(new Uint8Array(131_072));
  const first = zstdFrame(Buffer.concat([prefix(-length), Buffer.alloc(131_064)]));
  const stream = Buffer.concat([first, ...Array.from({ length: 2999 }, () => zeros)]);
  let total = 0n;
  for (const part of parseSplitstream(buildSplitstream({ stream }), "sha256", "bomb").parts()) {
    const { inline } = part as { inline: Uint8Array };
    expect(inline.length).toBeLessThanOrEqual(131_072);
    total += BigInt(inline.length);
  }
  expect(total).toBe(length);
});

describe("header", () => {
  const range = (start: bigint, end: bigint) => (file: Buffer, at: number) => {
    file.writeBigUInt64LE(start, at);
    file.writeBigUInt64LE(end, at + 8);
  };
  test.each([
    ["version", 11, [1]],
    ["algorithm sha512", 14, [2]],
    ["algorithm 0", 14, [0]],
    ["block size", 15, [13]],
    ["magic", 3, [0]],
  ])("another %s", (_, offset, bytes) => {
    const file = buildSplitstream(GOOD);
    file.set(bytes, offset);
    expect(() => read(file)).toThrow(corrupt);
  });

  test("flags are ignored", () => {
    const file = buildSplitstream(GOOD);
    file.set([0xff, 0xff], 12);
    expect(text(read(file).all)).toBe("hello<b><a><b>!");
  });

  test.each([16, 32, 48, 64, 80])("bad ranges at byte %d", (offset) => {
    for (const change of [
      range(50n, 40n),
      range(0n, 2n ** 63n),
      range(2n ** 64n - 1n, 2n ** 64n - 1n),
      range(0n, 100_000n),
    ]) {
      const file = buildSplitstream(GOOD);
      change(file, offset);
      expect(() => read(file)).toThrow(corrupt);
    }
  });

  test("an info section that is too short", () => {
    const file = buildSplitstream(GOOD);
    range(32n, 111n)(file, 16);
    expect(() => read(file)).toThrow(corrupt);
  });
});
