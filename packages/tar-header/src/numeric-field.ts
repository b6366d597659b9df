import { TarHeaderError } from "./errors.ts";
import type { HeaderField } from "./format.ts";

/**
 * Number in a header field: octal text or base-256 (containers-storage.md §4.2).
 *
 * @param block - the header block, at least as long as the field's end
 * @param signed - whether a negative base-256 number is allowed (mtime only)
 * @returns a safe integer
 * @throws TarHeaderError `INVALID_NUMBER`: not octal digits, or negative; `FIELD_OVERFLOW`: beyond 2^53−1
 */
export function parseNumericField(block: Uint8Array, field: HeaderField, signed = false): number {
  return isBase256(block, field) ? parseBase256(block, field, signed) : parseOctalField(block, field);
}

/** Whether the field is in base-256: its first byte has the top bit set. */
export function isBase256(block: Uint8Array, field: HeaderField): boolean {
  return (block[field.offset] ?? 0) >= 0x80;
}

/**
 * Octal text: cut at the first NUL, white space trimmed, empty is 0. A leading NUL therefore means 0.
 *
 * @throws TarHeaderError `INVALID_NUMBER` for anything but the digits 0 to 7
 */
function parseOctalField(block: Uint8Array, field: HeaderField): number {
  let start = field.offset;
  let end = start;
  const limit = start + field.length;
  while (end < limit && block[end] !== 0) {
    end++;
  }
  while (start < end && isSpace(block[start])) {
    start++;
  }
  while (end > start && isSpace(block[end - 1])) {
    end--;
  }
  // At most 12 digits of 3 bits: never beyond 2^36.
  let value = 0;
  for (let i = start; i < end; i++) {
    const digit = (block[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) {
      throw invalidNumber(block, field, "octal digits");
    }
    value = value * 8 + digit;
  }
  return value;
}

/** Big-endian two's complement in the 8n−1 bits after the marker bit; 0x40 of the first byte is the sign. */
function parseBase256(block: Uint8Array, field: HeaderField, signed: boolean): number {
  const first = block[field.offset] ?? 0;
  const negative = (first & 0x40) !== 0;
  if (negative && !signed) {
    throw invalidNumber(block, field, "no negative number");
  }
  // Of a negative number the complement is summed: value = −(complement + 1).
  const flip = negative ? 0xff : 0;
  let magnitude = (first ^ flip) & 0x3f;
  for (let i = field.offset + 1; i < field.offset + field.length; i++) {
    magnitude = magnitude * 256 + ((block[i] ?? 0) ^ flip);
  }
  // Rounding above 2^53 cannot bring a sum of non-negative terms back below it.
  const value = negative ? -(magnitude + 1) : magnitude;
  if (!Number.isSafeInteger(value)) {
    throw new TarHeaderError(
      "FIELD_OVERFLOW",
      `field ${field.name} at byte ${field.offset} of the header: expected at most 2^53-1, got ${hex(block, field)}`,
      { details: { field: field.name, fieldOffset: field.offset } },
    );
  }
  return value;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

function invalidNumber(block: Uint8Array, field: HeaderField, expected: string): TarHeaderError {
  return new TarHeaderError(
    "INVALID_NUMBER",
    `field ${field.name} at byte ${field.offset} of the header: expected ${expected}, got bytes ${hex(block, field)}`,
    { details: { field: field.name, fieldOffset: field.offset } },
  );
}

function hex(block: Uint8Array, field: HeaderField): string {
  return Array.from(block.subarray(field.offset, field.offset + field.length), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
