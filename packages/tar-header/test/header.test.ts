import { expect, test } from "vitest";
import { parseHeaderBlock, type TarHeader } from "../src/header.ts";
import { bytes, header, text } from "./tar-builder.ts";

function parsed(block: Uint8Array): TarHeader {
  const result = parseHeaderBlock(block);
  if (result.end) {
    throw new Error("unexpected end block");
  }
  return result;
}

test("texts are views of the block", () => {
  const block = header({ name: "a/b", linkName: "target" });
  const result = parsed(block);
  expect(text(result.name)).toBe("a/b");
  expect(text(result.linkName)).toBe("target");
  expect(result.name.buffer).toBe(block.buffer);
  expect(result.path.buffer).toBe(block.buffer);
});

test("a prefix counts in ustar blocks alone", () => {
  expect(text(parsed(header({ prefix: "p", name: "n" })).path)).toBe("p/n");
  expect(text(parsed(header({ prefix: "p", name: "n", format: "gnu" })).path)).toBe("n");
  expect(text(parsed(header({ prefix: "p", name: "n", format: "v7" })).path)).toBe("n");
});

test("fields without a NUL end with their last byte", () => {
  const result = parsed(header({ name: "n".repeat(100), linkName: "l".repeat(100), prefix: "p".repeat(155) }));
  expect([result.name.length, result.linkName.length, result.prefix?.length]).toEqual([100, 100, 155]);
  expect(result.path.length).toBe(256);
});

/** Flaws in two places: the one that is checked first decides. */
test.each([
  [
    "sum before mode",
    { checksum: "wrong" as const, patch: [[100, bytes("8")] as const] },
    "CHECKSUM_MISMATCH",
    undefined,
  ],
  [
    "mode before uid",
    {
      patch: [
        [100, bytes("8")],
        [108, bytes("8")],
      ] as const,
    },
    "INVALID_NUMBER",
    "mode",
  ],
  [
    "size before mtime",
    {
      patch: [
        [124, [0xbf]],
        [136, bytes("8")],
      ] as const,
    },
    "FIELD_OVERFLOW",
    "size",
  ],
  [
    "mtime before devmajor",
    {
      patch: [
        [136, bytes("8")],
        [329, bytes("8")],
      ] as const,
    },
    "INVALID_NUMBER",
    "mtime",
  ],
  ["devmajor of a regular file", { patch: [[329, bytes("8")]] as const }, "INVALID_NUMBER", "devmajor"],
  ["devminor", { patch: [[337, bytes("8")]] as const }, "INVALID_NUMBER", "devminor"],
])("%s", (_, options, code, field) => {
  expect(() => parseHeaderBlock(header(options))).toThrow(
    expect.objectContaining({
      code,
      details: field === undefined ? expect.anything() : expect.objectContaining({ field }),
    }),
  );
});

test("a block offset within a larger buffer", () => {
  const buffer = new Uint8Array(1536).fill(0xff);
  buffer.set(header({ name: "here" }), 700);
  expect(text(parsed(buffer.subarray(700)).path)).toBe("here");
});
