import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ComposefsError, contentType, type ObjectId, parseSplitstream, SplitstreamWriter } from "../../src/index.ts";

const file = readFileSync(new URL("../../../../testdata/splitstream/repeats.sha256.splitstream", import.meta.url));

/** Reads all of it. @returns the parts, or null where it is corrupt; any other error comes through */
function parts(bytes: Uint8Array): number | null {
  try {
    const stream = parseSplitstream(bytes, "sha256", "x");
    const ids: ObjectId[] = [];
    let count = 0;
    let inlineBytes = 0;
    for (const part of stream.parts()) {
      count += "inline" in part ? Math.sign(part.inline.length) : 1;
      if ("object" in part) ids.push(part.object);
      else inlineBytes += part.inline.length;
    }
    // Repeated ids in the table of a damaged file count together.
    const counts = stream.countParts();
    const uses = (id: ObjectId): number =>
      stream.objectRefs.reduce((sum, ref, i) => sum + (ref === id ? (counts.uses[i] as number) : 0), 0);
    expect(counts.inlineBytes).toBe(inlineBytes);
    for (const id of new Set(ids)) expect(uses(id)).toBe(ids.filter((other) => other === id).length);
    return count;
  } catch (error) {
    if (error instanceof ComposefsError && error.code === "STREAM_CORRUPT") return null;
    throw error;
  }
}

test("every truncation of a file of the reference is corrupt", () => {
  expect(parts(file)).toBeGreaterThan(300);
  for (let length = 0; length < file.length; length++) {
    if (parts(file.subarray(0, length)) !== null) expect.fail(`${length} of ${file.length} bytes are read`);
  }
});

test("changed bytes read or are corrupt, never anything else", () => {
  const offset = fc.oneof(fc.nat(111), fc.nat(file.length - 1));
  fc.assert(
    fc.property(fc.array(fc.tuple(offset, fc.nat(255)), { minLength: 1, maxLength: 6 }), (changes) => {
      const changed = Buffer.from(file);
      for (const [at, value] of changes) changed[at] = value;
      parts(changed);
    }),
    { numRuns: 1500 },
  );
});

test("any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(parts(bytes)).toBeNull();
      parts(Buffer.concat([file.subarray(0, 112), bytes]));
    }),
    { numRuns: 500 },
  );
});

test("what was written is read", () => {
  const id = fc.constantFrom(..."0123456789abcdef").map((digit) => digit.repeat(64) as ObjectId);
  const chunk = fc.oneof(fc.uint8Array({ maxLength: 300 }), id);
  const names = fc.dictionary(
    fc.string().filter((name) => !name.includes("\0")),
    id,
  );
  fc.assert(
    fc.property(fc.array(chunk, { maxLength: 40 }), names, (chunks, refs) => {
      const writer = new SplitstreamWriter("sha256", contentType("testtype"));
      for (const one of chunks) typeof one === "string" ? writer.external(one, 1000) : writer.inline(one);
      for (const [name, target] of Object.entries(refs)) writer.ref(name, target);
      const expected = chunks.map((one) => (typeof one === "string" ? one : Buffer.from(one).toString("hex"))).join("");
      const stream = parseSplitstream(writer.finish(), "sha256", "x");
      const found = [...stream.parts()].map((part) =>
        "object" in part ? part.object : Buffer.from(part.inline).toString("hex"),
      );
      expect(found.join("")).toBe(expected);
      expect(new Map(stream.namedRefs)).toEqual(new Map(Object.entries(refs)));
      expect(stream.size).toBe(writer.size);
      expect(new Set(stream.objectRefs).size).toBe(writer.objectCount);
    }),
    { numRuns: 150 },
  );
});
