import fc from "fast-check";
import { expect, test } from "vitest";
import { OciError } from "../../src/errors.ts";
import { imageName, parseImageName, parseRegistryReference } from "../../src/registry/reference.ts";

const texts = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."aA0.:/@-_[]%? "), maxLength: 60 }));

test("any text is either refused, or has a full name that means the same", () => {
  fc.assert(
    fc.property(texts, (text) => {
      try {
        const parsed = parseRegistryReference(`docker://${text}`);
        expect(parseImageName(imageName(parsed))).toEqual(parsed);
        expect(new URL(`https://${parsed.host}/v2/${parsed.repository}/x`).pathname).toBe(`/v2/${parsed.repository}/x`);
      } catch (error) {
        if (!(error instanceof OciError)) throw error;
        expect(error.code).toBe("REF_INVALID");
      }
    }),
    { numRuns: 2000 },
  );
});
