import fc from "fast-check";
import { expect, test } from "vitest";
import { LayerAssembler } from "../src/layer-assembler.ts";
import { LineSplitter } from "../src/line-splitter.ts";
import { fileLine, headerOf, segmentLine } from "./tar-split-builder.ts";

type Item = { readonly bytes: Uint8Array } | { readonly name: string; readonly size: number };

const item: fc.Arbitrary<Item> = fc.oneof(
  fc.record({ bytes: fc.uint8Array({ maxLength: 1500 }) }),
  fc.record({ name: fc.string({ unit: "grapheme", maxLength: 40 }), size: fc.nat({ max: 100_000 }) }),
);

/** What the items must come to: bytes and sizes, with a regular header before every file so that each has content. */
function model(items: readonly Item[]): { text: string; expected: (string | number)[] } {
  let text = "";
  const expected: (string | number)[] = [];
  for (const one of items) {
    if ("bytes" in one) {
      text += segmentLine(one.bytes);
      if (one.bytes.length > 0) expected.push(Buffer.from(one.bytes).toString("hex"));
    } else {
      const name = one.name.replaceAll("\0", "") || "x";
      text += segmentLine(headerOf()) + fileLine(name, one.size);
      expected.push(headerOf().toString("hex"));
      if (one.size > 0) expected.push(one.size);
    }
  }
  return { text, expected };
}

test("any cut of the text into chunks gives the same items", () => {
  fc.assert(
    fc.property(
      fc.array(item, { maxLength: 30 }),
      fc.array(fc.nat(), { maxLength: 60 }),
      fc.boolean(),
      (items, cuts, lastNewline) => {
        const { text, expected } = model(items);
        const bytes = Buffer.from(lastNewline ? text : text.trimEnd());
        const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
        const splitter = new LineSplitter();
        const assembler = new LayerAssembler();
        const found: (string | number)[] = [];
        const drain = (): void => {
          const batch = assembler.take();
          for (const chunk of batch?.chunks ?? []) {
            if ("inline" in chunk) found.push(Buffer.from(chunk.inline).toString("hex"));
            else found.push(batch?.files[chunk.external - batch.firstFile]?.size ?? "missing");
          }
        };
        let start = 0;
        for (const end of ends) {
          splitter.push(bytes.subarray(start, end), assembler.push);
          if (end % 2 === 0) drain();
          start = end;
        }
        splitter.finish(assembler.push);
        drain();
        expect(found).toEqual(expected);
      },
    ),
    { numRuns: 300 },
  );
});
