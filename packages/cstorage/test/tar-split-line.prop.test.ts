import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTarSplitLine } from "../src/tar-split-line.ts";
import { codeOf } from "./code-of.ts";

test("segments of any bytes, in any spelling of the JSON", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), fc.nat(), fc.boolean(), (bytes, position, spaced) => {
      const value = { type: 2, payload: Buffer.from(bytes).toString("base64"), position };
      const item = parseTarSplitLine(
        Buffer.from(JSON.stringify(value, null, spaced ? " " : "").replaceAll("\n", "")),
        1,
      );
      expect(item.type === "segment" && Buffer.from(item.bytes).equals(bytes)).toBe(true);
    }),
  );
});

test("a changed byte is refused or changes the segment, never misread beyond it", () => {
  const line = Buffer.from('{"type":2,"payload":"AAECAwQFBgcICQ==","position":31}');
  fc.assert(
    fc.property(fc.nat({ max: line.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(line);
      changed[at] = (changed[at] as number) ^ flip;
      const code = codeOf(() => parseTarSplitLine(changed, 1));
      if (code === "TAR_SPLIT_CORRUPT") return;
      expect(code).toBeUndefined();
      // Whatever is accepted must be JSON with the same bytes to a general parser.
      const value = JSON.parse(changed.toString()) as { type: number; payload?: string };
      const item = parseTarSplitLine(changed, 1);
      expect(item.type === "segment" && Buffer.from(item.bytes)).toEqual(Buffer.from(value.payload ?? "", "base64"));
    }),
    { numRuns: 2000 },
  );
});

test("any bytes either parse or fail with the package's error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const code = codeOf(() => parseTarSplitLine(Buffer.from(bytes), 1));
      expect([undefined, "TAR_SPLIT_CORRUPT"]).toContain(code);
    }),
  );
});
