import { expect, test, vi } from "vitest";
import binding from "zstd-napi/binding.js";
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

test("a frame has the same bytes whatever its context was used for before", () => {
  const frame = (data: Uint8Array): string => {
    const context = new binding.CCtx();
    const pieces: Uint8Array[] = [];
    const output = new Uint8Array(binding.cStreamOutSize());
    for (let rest = data; rest.length > 0; ) {
      const [, produced, consumed] = context.compressStream2(output, rest, binding.EndDirective.continue);
      pieces.push(output.slice(0, produced));
      rest = rest.subarray(consumed);
    }
    const [left, produced] = context.compressStream2(output, new Uint8Array(0), binding.EndDirective.end);
    expect(left).toBe(0);
    return hex(Buffer.concat([...pieces, output.subarray(0, produced)]));
  };
  // Each repeats much of those before: a match found in what a context remembers would show.
  const text = Array.from({ length: 30_000 }, (_, i) => `usr/share/${(i * 7919) % 10_007}/${i % 13}\n`).join("");
  for (const end of [300_000, 60_000, 1, 200_000, 0, 90_000]) {
    const data = Buffer.from(text.slice(0, end));
    expect(hex(zstdFrame(data))).toBe(frame(data));
  }
});

test("a writer that does not end its frame leaves its context to nobody", () => {
  const expected = hex(zstdFrame(Buffer.from("text")));
  new ZstdFrameWriter().write(new Uint8Array(200_000));
  expect(hex(zstdFrame(Buffer.from("text")))).toBe(expected);
});

test("a writer that ended its frame takes nothing any more", () => {
  const writer = new ZstdFrameWriter();
  writer.finish();
  expect(() => writer.finish()).toThrow(TypeError);
  expect(() => writer.write(new Uint8Array(100_000))).toThrow(TypeError);
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
