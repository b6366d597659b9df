import fc from "fast-check";
import { expect, test } from "vitest";
import { crc64 } from "../src/index.ts";

const MASK = 0xffffffffffffffffn;
const TABLE = Array.from({ length: 256 }, (_, i) => {
  let c = BigInt(i);
  for (let bit = 0; bit < 8; bit++) c = c & 1n ? (c >> 1n) ^ 0xd800000000000000n : c >> 1n;
  return c;
});

// The table form of containers-storage.md §3.2.
function tableCrc(data: Uint8Array): bigint {
  let crc = MASK;
  for (const byte of data) crc = (TABLE[Number((crc ^ BigInt(byte)) & 255n)] as bigint) ^ (crc >> 8n);
  return crc ^ MASK;
}

test("equals the table form for every length and alignment", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 700 }), fc.nat(15), (data, shift) => {
      const unaligned = new Uint8Array(new ArrayBuffer(data.length + shift), shift);
      unaligned.set(data);
      expect(Buffer.from(crc64(unaligned)).readBigUInt64BE()).toBe(tableCrc(data));
    }),
    { numRuns: 300 },
  );
});
