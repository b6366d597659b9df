import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeTag, encodeTag } from "../../src/image/tag-name.ts";

const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom("%", "2", "5", "F", "f", "/", "a") }),
);

test("decoding undoes encoding, and no encoded name has a slash", () => {
  fc.assert(
    fc.property(text, (tag) => {
      expect(decodeTag(encodeTag(tag))).toBe(tag);
      expect(encodeTag(tag)).not.toContain("/");
    }),
  );
});
