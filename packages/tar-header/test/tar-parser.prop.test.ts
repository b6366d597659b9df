import fc from "fast-check";
import { expect, test } from "vitest";
import { TarHeaderError } from "../src/errors.ts";
import { TarParser } from "../src/tar-parser.ts";
import { collect } from "./collect.ts";
import {
  byteString,
  concat,
  endBlocks,
  entry,
  globalPax,
  header,
  longLink,
  longName,
  pax,
  paxRecord,
  seal,
  zeroBlock,
} from "./tar-builder.ts";

const name = fc.stringMatching(/^[a-z/.]{1,40}$/);
const content = fc.uint8Array({ maxLength: 1500 });
const extension = fc.oneof(
  name.map((value) => longName(value)),
  name.map((value) => longLink(value)),
  fc
    .tuple(name, fc.uint8Array({ maxLength: 600 }))
    .map(([path, value]) =>
      pax(paxRecord("path", path), paxRecord("mtime", "12.5"), paxRecord("SCHILY.xattr.user.a", value)),
    ),
  name.map((value) => globalPax(paxRecord("path", value))),
);
const item = fc
  .tuple(
    fc.option(extension),
    name,
    fc.constantFrom("0", "\0", "1", "2", "3", "5", "6", "7", "Z"),
    fc.constantFrom("ustar" as const, "gnu" as const, "v7" as const),
    content,
  )
  .map(([before, path, type, format, data]) =>
    concat([...(before === null ? [] : [before]), entry({ name: path, type, format, linkName: "target" }, data)]),
  );
const archive = fc
  .tuple(
    fc.array(item, { maxLength: 6 }),
    fc.constantFrom<Uint8Array[]>([], [zeroBlock, entry()], [endBlocks], [endBlocks, endBlocks, header()]),
  )
  .map(([items, end]) => concat([...items, ...end]));

/** Cuts at random places, empty chunks included. */
function cut(data: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (data.length + 1)).sort((a, b) => a - b), data.length];
  return at.slice(1).map((end, i) => data.subarray(at[i], end));
}

const cuts = fc.array(fc.nat({ max: 20_000 }), { maxLength: 60 });

/** Result or error of the whole, comparable. */
function outcome(chunks: Uint8Array[]): unknown {
  try {
    return collect(chunks);
  } catch (error) {
    if (!(error instanceof TarHeaderError)) {
      throw error;
    }
    return { code: error.code, message: error.message, details: error.details };
  }
}

test("chunk boundaries change nothing, and no byte is lost", () => {
  fc.assert(
    fc.property(archive, cuts, (tar, places) => {
      const whole = collect([tar]);
      expect(whole.bytes).toBe(byteString(tar));
      expect(collect(cut(tar, places))).toEqual(whole);
    }),
    { numRuns: 300 },
  );
});

test("nor with damaged or truncated archives", () => {
  const damage = fc.array(fc.tuple(fc.nat({ max: 20_000 }), fc.nat({ max: 255 })), { maxLength: 3 });
  fc.assert(
    fc.property(archive, damage, fc.nat({ max: 20_000 }), fc.boolean(), cuts, (tar, changes, end, resealed, places) => {
      const data = tar.slice(0, Math.max(end % (tar.length + 1), 1));
      for (const [place, value] of changes) {
        const at = place % data.length;
        data[at] = value;
        const block = data.subarray(at - (at % 512), at - (at % 512) + 512);
        // With a checksum made good again the damage gets past the first check.
        if (resealed && block.length === 512) {
          seal(block);
        }
      }
      expect(outcome(cut(data, places))).toEqual(outcome([data]));
    }),
    { numRuns: 500 },
  );
});

test("arbitrary bytes give events or a TarHeaderError", () => {
  const sealed = fc.uint8Array({ minLength: 512, maxLength: 512 }).map((block) => seal(block));
  const data = fc.oneof(fc.uint8Array({ maxLength: 2000 }), fc.array(sealed, { maxLength: 4 }).map(concat));
  fc.assert(
    fc.property(data, cuts, (input, places) => {
      expect(outcome(cut(input, places))).toEqual(outcome([input]));
    }),
    { numRuns: 500 },
  );
});

test("skipping content is the same as reading it", () => {
  fc.assert(
    fc.property(archive, (tar) => {
      const parser = new TarParser();
      const paths: string[] = [];
      let position = 0;
      while (position < tar.length) {
        const end = Math.min(position + 512 - (position % 512), tar.length);
        for (const event of parser.push(tar.subarray(position, end))) {
          if (event.type === "entry") {
            paths.push(byteString(event.entry.path));
          }
        }
        position = end + parser.remaining;
        parser.skip(parser.remaining);
        expect(parser.offset).toBe(position);
      }
      parser.finish();
      expect(paths).toEqual(collect([tar]).entries.map((found) => found.path));
    }),
  );
});
