import { gzipSync } from "node:zlib";
import { ZstdDecoder, ZstdFrameWriter } from "@composefs/core";
import { describe, expect, test } from "vitest";
import { CompressionError } from "../../src/compression/compression-error.ts";
import { decompress, sniffCompression } from "../../src/compression/decompress.ts";
import { chunked, noise } from "../tar-builder.ts";

/** By the zstd command 1.5: `printf hello | zstd --no-check`. */
const ZSTD_HELLO = Buffer.from("28b52ffd005829000068656c6c6f", "hex");
/** RFC 8878 §3.1.2: magic, size 3, three bytes. */
const SKIPPABLE = Buffer.from("502a4d1803000000aabbcc", "hex");

async function all(data: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of data) pieces.push(piece);
  return Buffer.concat(pieces);
}

const error = async (bytes: Uint8Array, kind: "gzip" | "zstd", size?: number): Promise<unknown> =>
  all(decompress(chunked(bytes, size), kind)).then(
    () => null,
    (thrown: unknown) => thrown,
  );

test.each<[string, Uint8Array, string]>([
  ["gzip", gzipSync("x"), "gzip"],
  ["zstd", ZSTD_HELLO, "zstd"],
  ["a skippable frame", SKIPPABLE, "zstd"],
  ["two bytes of zstd", ZSTD_HELLO.subarray(0, 2), "none"],
  ["text", Buffer.from("./\0\0"), "none"],
  ["nothing", Buffer.alloc(0), "none"],
])("%s is told by its first bytes", (_, bytes, expected) => expect(sniffCompression(bytes)).toBe(expected));

/** Bytes in two buffers by turns, each overwritten as soon as a piece is asked for that will lie in it. */
async function* inTurns(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  const buffers = [new Uint8Array(size), new Uint8Array(size)];
  for (let at = 0, turn = 0; at < bytes.length; at += size, turn++) {
    const buffer = (buffers[turn % 2] as Uint8Array).fill(0xee);
    await new Promise((resolve) => setImmediate(resolve));
    buffer.set(bytes.subarray(at, at + size));
    yield buffer.subarray(0, Math.min(size, bytes.length - at));
  }
}

test.each(["gzip", "zstd"] as const)(
  "%s takes pieces that are overwritten when the next but one is asked for",
  async (kind) => {
    const content = noise(3_000);
    const frame = new ZstdFrameWriter();
    frame.write(content);
    const packed = kind === "gzip" ? gzipSync(content) : frame.finish();
    for (const size of [1, 2, 3, 4, 5, 1_000]) {
      expect((await all(decompress(inTurns(packed, size), kind))).equals(content)).toBe(true);
    }
  },
);

describe("gzip", () => {
  const members = Buffer.concat([gzipSync("one,"), gzipSync(""), gzipSync("two")]);

  test.each([1, 2, 3, 7, 1000])("members one after the other, in chunks of %i", async (size) => {
    expect((await all(decompress(chunked(members, size), "gzip"))).toString()).toBe("one,two");
  });

  test.each<[string, Uint8Array]>([
    ["nothing", Buffer.alloc(0)],
    ["text", Buffer.from("no gzip at all")],
    ["zstd", ZSTD_HELLO],
    ["one byte", members.subarray(0, 1)],
    ["cut in a header", members.subarray(0, 5)],
    ["cut in data", members.subarray(0, 12)],
    ["cut in the last checksum", members.subarray(0, -1)],
    ["text after the last member", Buffer.concat([members, Buffer.from("text")])],
    ["zeros after the last member", Buffer.concat([members, Buffer.alloc(512)])],
    ["many zeros after the last member", Buffer.concat([members, Buffer.alloc(3_000_000)])],
    ["half a member after the last", Buffer.concat([members, members.subarray(0, 8)])],
  ])("%s is refused", async (_, bytes) => {
    for (const size of [1000, 65_536, bytes.length + 1]) {
      expect(await error(bytes, "gzip", size)).toBeInstanceOf(CompressionError);
    }
    if (bytes.length < 100) expect(await error(bytes, "gzip", 1)).toBeInstanceOf(CompressionError);
  });

  test("an error tells about where", async () => {
    const bytes = gzipSync(noise(1_000_000));
    bytes.fill(0xff, 500_000, 500_100);
    const found = (await error(bytes, "gzip", 1000)) as CompressionError;
    expect(found.offset).toBeGreaterThan(400_000);
    expect(found.offset).toBeLessThan(bytes.length);
  });

  test("whatever goes wrong with reading comes through as it is", async () => {
    const failure = new Error("the disk is gone");
    async function* failing() {
      yield gzipSync(noise(100_000)).subarray(0, 50_000);
      throw failure;
    }
    await expect(all(decompress(failing(), "gzip"))).rejects.toBe(failure);
  });

  test("who stops early ends the reading", async () => {
    let ended = false;
    async function* endless() {
      try {
        yield gzipSync(Buffer.alloc(10_000_000));
        for (;;) yield gzipSync("more");
      } finally {
        ended = true;
      }
    }
    for await (const _ of decompress(endless(), "gzip")) break;
    expect(ended).toBe(true);
  });

  test("a bomb is passed on in pieces", async () => {
    const bomb = gzipSync(Buffer.alloc(300_000_000), { level: 9 });
    let [total, largest] = [0, 0];
    for await (const { length } of decompress(chunked(bomb), "gzip")) {
      total += length;
      largest = Math.max(largest, length);
    }
    expect(total).toBe(300_000_000);
    expect(largest).toBeLessThanOrEqual(1024 * 1024);
  });
});

describe("zstd", () => {
  test.each([1, 2, 3, 1000])("frames, skippable ones anywhere, in chunks of %i", async (size) => {
    const frames = Buffer.concat([SKIPPABLE, ZSTD_HELLO, SKIPPABLE, SKIPPABLE, ZSTD_HELLO, SKIPPABLE]);
    expect((await all(decompress(chunked(frames, size), "zstd"))).toString()).toBe("hellohello");
  });

  test.each<[string, Uint8Array]>([
    ["nothing", Buffer.alloc(0)],
    ["text", Buffer.from("no zstd at all")],
    ["gzip", gzipSync("x")],
    ["cut in data", ZSTD_HELLO.subarray(0, -1)],
    ["cut in a skippable frame", Buffer.concat([ZSTD_HELLO, SKIPPABLE.subarray(0, -1)])],
    ["text after the last frame", Buffer.concat([ZSTD_HELLO, Buffer.from("text")])],
    ["zeros after the last frame", Buffer.concat([ZSTD_HELLO, Buffer.alloc(512)])],
    // RFC 8878 §3.1.1.1: window of 2^41 bytes, more than libzstd takes.
    ["a frame with a huge window", Buffer.from("28b52ffd00f8290000aaaaaaaaaa", "hex")],
  ])("%s is refused", async (_, bytes) => {
    for (const size of [1, 1000]) expect(await error(bytes, "zstd", size)).toBeInstanceOf(CompressionError);
  });

  test("pieces are small whatever the ratio", () => {
    // One block that repeats a byte 131,072 times (RFC 8878 §3.1.1.2), many times over.
    const block = (last: number) => Buffer.from([0x02 | last, 0x00, 0x10, 0x61]);
    const frame = Buffer.concat([Buffer.from("28b52ffd0058", "hex"), ...Array(99).fill(block(0)), block(1)]);
    const decoder = new ZstdDecoder();
    let total = 0;
    for (const { length } of decoder.push(frame)) {
      expect(length).toBeLessThanOrEqual(131_072);
      total += length;
    }
    expect(total + decoder.finish().length).toBe(100 * 131_072);
  });
});

test("a plain tar is passed on as it is", async () => {
  const bytes = gzipSync("whatever");
  expect(await all(decompress(chunked(bytes, 3), "none"))).toEqual(bytes);
});
