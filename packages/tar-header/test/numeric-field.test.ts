import { expect, test } from "vitest";
import { SIZE } from "../src/format.ts";
import { parseNumericField } from "../src/numeric-field.ts";
import { bytes } from "./tar-builder.ts";

/** The size field (12 bytes at 124) holding `value`, NUL behind it, neighbours that are no numbers. */
function block(value: string | readonly number[]): Uint8Array {
  const result = new Uint8Array(512).fill(0x7a);
  result.fill(0, SIZE.offset, SIZE.offset + SIZE.length);
  result.set(typeof value === "string" ? bytes(value) : value, SIZE.offset);
  return result;
}

const ones = (count: number): number[] => new Array(count).fill(0xff);
const zeros = (count: number): number[] => new Array(count).fill(0);

test.each<[string, string | number[], number]>([
  ["plain", "00000000644", 0o644],
  ["no terminator", "777777777777", 2 ** 36 - 1],
  ["empty", "", 0],
  ["blank", "            ", 0],
  ["white space of every kind around", " \t\n\v\f\r17 \t\r", 0o17],
  ["cut at the first NUL", "17\x0099", 0o17],
  ["leading NUL", "\x0017", 0],
  ["base-256 zero", [0x80, ...zeros(11)], 0],
  ["base-256 2^53-1", [0x80, ...zeros(4), 0x1f, ...ones(6)], Number.MAX_SAFE_INTEGER],
])("%s", (_, value, expected) => {
  expect(parseNumericField(block(value), SIZE)).toBe(expected);
});

test.each<[string, number[], number]>([
  ["-1", ones(12), -1],
  ["-2^53+1", [...ones(5), 0xe0, ...zeros(5), 1], Number.MIN_SAFE_INTEGER],
  ["-256", [...ones(11), 0], -256],
])("negative where allowed: %s", (_, value, expected) => {
  expect(parseNumericField(block(value), SIZE, true)).toBe(expected);
  expect(() => parseNumericField(block(value), SIZE)).toThrow(expect.objectContaining({ code: "INVALID_NUMBER" }));
});

test.each<[string, string | number[], string]>([
  ["digit 8", "0000008", "INVALID_NUMBER"],
  ["plus", "+17", "INVALID_NUMBER"],
  ["minus", "-17", "INVALID_NUMBER"],
  ["inner blank", "1 7", "INVALID_NUMBER"],
  ["byte below 0x80 that is no digit", [0x7f], "INVALID_NUMBER"],
  ["2^53", [0x80, ...zeros(4), 0x20, ...zeros(6)], "FIELD_OVERFLOW"],
  ["largest positive", [0xbf, ...ones(11)], "FIELD_OVERFLOW"],
])("refused: %s", (_, value, code) => {
  expect(() => parseNumericField(block(value), SIZE)).toThrow(
    expect.objectContaining({ code, details: { field: "size", fieldOffset: 124 } }),
  );
});

test("smallest negative overflows", () => {
  expect(() => parseNumericField(block([0xc0, ...zeros(11)]), SIZE, true)).toThrow(
    expect.objectContaining({ code: "FIELD_OVERFLOW" }),
  );
});
