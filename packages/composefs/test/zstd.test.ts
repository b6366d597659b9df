import { expect, test, vi } from "vitest";
import { unzstd, ZstdFrameWriter, zstdFrame } from "../src/zstd.ts";
import { codeOf } from "./support.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const inflate = (bytes: Uint8Array): Buffer => Buffer.concat([...unzstd(bytes)]);
const EMPTY_FRAME = "28b52ffd2000010000";

test("no data is the nine bytes of repository.md §4.5, also after empty writes", () => {
  expect(hex(zstdFrame(new Uint8Array(0)))).toBe(EMPTY_FRAME);
  const writer = new ZstdFrameWriter();
  writer.write(new Uint8Array(0));
  expect(hex(writer.finish())).toBe(EMPTY_FRAME);
});

test("the bytes do not depend on how the data was cut, and do not hold on to it", () => {
  const data = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `line ${i * i}\n`).join(""));
  const whole = hex(zstdFrame(data));
  for (const size of [1_000, 65_535, 65_536, 65_537, 131_072, 300_000]) {
    const writer = new ZstdFrameWriter();
    for (let at = 0; at < data.length; at += size) {
      const piece = Uint8Array.from(data.subarray(at, at + size));
      writer.write(piece);
      piece.fill(0);
    }
    expect(hex(writer.finish())).toBe(whole);
  }
  expect(inflate(Buffer.from(whole, "hex")).equals(data)).toBe(true);
});

test("frames laid end to end, many and empty ones too", () => {
  const frames = ["a", "", "bc"].map((text) => zstdFrame(Buffer.from(text)));
  expect(`${inflate(Buffer.concat(frames))}`).toBe("abc");
  const many = Buffer.alloc(9 * 20_000, EMPTY_FRAME, "hex");
  expect([...unzstd(many)]).toEqual([]);
  expect(inflate(new Uint8Array(0)).length).toBe(0);
});

test("pieces stay valid and small", () => {
  const data = Buffer.alloc(1_000_000, "0123456789");
  const pieces = [...unzstd(zstdFrame(data))];
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(131_072);
  expect(Buffer.concat(pieces).equals(data)).toBe(true);
});

test("pieces that need not stay valid are the same bytes, and all lie in one buffer", () => {
  const data = Buffer.alloc(1_000_000, "0123456789");
  const pieces: Buffer[] = [];
  const buffers = new Set<ArrayBufferLike>();
  for (const piece of unzstd(zstdFrame(data), "passing")) {
    pieces.push(Buffer.from(piece));
    buffers.add(piece.buffer);
  }
  expect(Buffer.concat(pieces).equals(data)).toBe(true);
  expect(buffers.size).toBe(1);
});

test("every truncation, and garbage, is an error", () => {
  const frame = zstdFrame(Buffer.from("some text, some text, some more"));
  for (let length = 1; length < frame.length; length++) expect(() => inflate(frame.subarray(0, length))).toThrow();
  expect(() => inflate(Buffer.concat([frame, Buffer.from("x")]))).toThrow();
  expect(() => inflate(Buffer.from("no zstd at all"))).toThrow();
});

test("another libzstd is refused when the module loads", async () => {
  vi.resetModules();
  vi.doMock("zstd-napi/binding.js", () => ({ default: { versionNumber: () => 10506, versionString: () => "1.5.6" } }));
  expect(await codeOf(() => import("../src/zstd.ts"))).toBe("ZSTD_VERSION");
  vi.doUnmock("zstd-napi/binding.js");
});
