import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { unzstd } from "@composefs/core";
import { describe, expect, test } from "vitest";
import { compress } from "../../src/compression/compress.ts";
import { chunked, noise } from "../tar-builder.ts";

const collect = (pieces: AsyncIterable<Uint8Array>): Promise<Buffer> => buffer(pieces);
const CONTENTS: [string, Buffer][] = [
  ["nothing", Buffer.alloc(0)],
  ["a byte", Buffer.from("x")],
  ["noise", noise(3_000_000)],
  ["zeros", Buffer.alloc(20_000_000)],
];

describe.each(["gzip", "zstd"] as const)("%s", (kind) => {
  test.each(CONTENTS)("%s comes back", async (_, content) => {
    const packed = await collect(compress(chunked(content), kind));
    const back = kind === "gzip" ? gunzipSync(packed) : Buffer.concat([...unzstd(packed)]);
    expect(back.equals(content)).toBe(true);
  });

  test("how the content is cut does not matter", async () => {
    const content = Buffer.concat([noise(300_000), Buffer.alloc(300_000)]);
    const packed = await Promise.all([1000, 65_536, 600_000].map((n) => collect(compress(chunked(content, n), kind))));
    for (const other of packed.slice(1)) expect(other.equals(packed[0] as Buffer)).toBe(true);
  });

  test("an error of the content comes out", async () => {
    const failing = (async function* () {
      yield noise(1_000_000);
      throw new Error("from the content");
    })();
    await expect(collect(compress(failing, kind))).rejects.toThrow("from the content");
  });

  test("stopping early ends the content", async () => {
    let ended = false;
    const endless = (async function* () {
      try {
        for (;;) yield noise(100_000);
      } finally {
        ended = true;
      }
    })();
    for await (const _ of compress(endless, kind)) break;
    expect(ended).toBe(true);
  });
});

test("a gzip header has no name and no time", async () => {
  const packed = await collect(compress(chunked(Buffer.from("x")), "gzip"));
  expect(packed.subarray(0, 8)).toEqual(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]));
});
