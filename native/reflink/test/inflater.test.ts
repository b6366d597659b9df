import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { Inflater } from "../src/index.ts";
import { pattern } from "./support.ts";

/** Everything that comes out, with pieces of such sizes on both sides. */
async function inflateAll(data: Uint8Array, inputBytes: number, outputBytes: number) {
  const inflater = new Inflater();
  const pieces: Uint8Array[] = [];
  let consumedBytes = 0;
  for (let at = 0; at < data.length; at += inputBytes) {
    let rest = data.subarray(at, at + inputBytes);
    for (let full = true; full; ) {
      const output = new Uint8Array(outputBytes);
      const { consumed, produced, damage } = await inflater.inflate(rest, output);
      consumedBytes += consumed;
      pieces.push(output.subarray(0, produced));
      if (damage !== null) return { damage, consumedBytes, complete: false, bytes: Buffer.concat(pieces) };
      rest = rest.subarray(consumed);
      full = produced === outputBytes;
    }
    expect(rest.length).toBe(0);
  }
  return { damage: null, consumedBytes, complete: inflater.complete, bytes: Buffer.concat(pieces) };
}

describe.each([
  [1, 1],
  [7, 100],
  [1000, 65_536],
  [1_000_000, 1_000_000],
])("input by %i, output by %i bytes", (inputBytes, outputBytes) => {
  test.each<[string, Uint8Array[]]>([
    ["one member", [pattern(20_000)]],
    ["an empty member", [new Uint8Array(0)]],
    ["three members", [pattern(3000), new Uint8Array(0), pattern(2000)]],
  ])("%s", async (_, contents) => {
    const data = Buffer.concat(contents.map((content) => gzipSync(content)));
    const found = await inflateAll(data, inputBytes, outputBytes);
    expect(found).toMatchObject({ damage: null, consumedBytes: data.length, complete: true });
    expect(found.bytes.equals(Buffer.concat(contents))).toBe(true);
  });

  test("what is cut off is not complete", async () => {
    const data = gzipSync(pattern(2000));
    for (const length of [1, 9, 10, 20, data.length - 8, data.length - 1]) {
      const { damage, complete } = await inflateAll(data.subarray(0, length), inputBytes, outputBytes);
      expect([damage, complete]).toEqual([null, false]);
    }
  });

  test.each<[string, (data: Buffer) => void]>([
    ["a checksum", (data) => data.writeUInt32LE(0, data.length - 8)],
    ["a length", (data) => data.writeUInt32LE(1, data.length - 4)],
    ["a magic number", (data) => data.writeUInt8(0, 1)],
    ["a block type", (data) => data.writeUInt8(0xff, 10)],
  ])("damage is told and nothing more comes: %s", async (_, harm) => {
    const data = gzipSync(pattern(2000));
    harm(data);
    const found = await inflateAll(data, inputBytes, outputBytes);
    expect(found.damage).not.toBeNull();
    expect(found.complete).toBe(false);
  });
});

test("nothing goes on after damage", async () => {
  const inflater = new Inflater();
  const output = new Uint8Array(100);
  expect((await inflater.inflate(Buffer.from("text, no gzip"), output)).damage).not.toBeNull();
  const again = await inflater.inflate(gzipSync("good"), output);
  expect(again).toMatchObject({ consumed: 0, produced: 0 });
  expect(again.damage).not.toBeNull();
});
