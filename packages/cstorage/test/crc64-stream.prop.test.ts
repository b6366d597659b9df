import { crc64 } from "@composefs/reflink";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Crc64Stream } from "../src/crc64-stream.ts";

test("any cut into pieces of 8 bytes or more gives the checksum of the whole and leaves the pieces as they were", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 8, maxLength: 300 }), { maxLength: 12 }), (pieces) => {
      const whole = Buffer.concat(pieces);
      const stream = new Crc64Stream();
      const passed = pieces.map((piece) => Buffer.from(piece));
      for (const piece of passed) stream.update(piece);
      expect(Buffer.from(stream.digest())).toEqual(Buffer.from(crc64(whole)));
      expect(Buffer.concat(passed)).toEqual(whole);
    }),
  );
});

test("a single piece may be short, a later one may not", () => {
  const stream = new Crc64Stream();
  stream.update(Buffer.from("123456789").subarray(0, 3));
  expect(Buffer.from(stream.digest())).toEqual(Buffer.from(crc64(Buffer.from("123"))));
  expect(() => stream.update(Buffer.alloc(7))).toThrow(RangeError);
});
