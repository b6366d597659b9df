import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDumpfile, parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { writeDumpfile } from "../../src/dumpfile/write.ts";
import { ComposefsError } from "../../src/errors.ts";
import { checkTree } from "../../src/tree/check.ts";
import { plainTree } from "../support/plain-tree.ts";
import { randomTree } from "../support/random-tree.ts";

/** Property tests may meet a busy machine. */
const SLOW = 60_000;

test(
  "tree to text to tree is the same tree, and the text again the same",
  () => {
    const hashes = ["sha256", "sha512"] as const;
    const input = fc.oneof(...hashes.map((hash) => fc.tuple(fc.constant(hash), randomTree({ hash, noVerity: false }))));
    fc.assert(
      fc.property(input, ([name, tree]) => {
        checkTree(tree);
        const text = [...writeDumpfile(tree)].join("");
        const again = parseDumpfileBytes(Buffer.from(text, "latin1"), { hash: name });
        expect(plainTree(again)).toEqual(plainTree(tree));
        expect([...writeDumpfile(again)].join("")).toBe(text);
      }),
      { numRuns: 1000 },
    );
  },
  SLOW,
);

test(
  "a tree is either written so that it can be read back, or refused",
  () => {
    fc.assert(
      fc.property(randomTree({ hash: "sha256", negativeTimes: true, maxEntries: 4 }), (tree) => {
        const lossless = plainTree(tree).every(
          ({ stat, content }) => !`${stat.mtime}`.startsWith("-") && content.kind !== "external-no-verity",
        );
        if (lossless) {
          expect([...writeDumpfile(tree)].length).toBe(1);
        } else {
          expect(() => [...writeDumpfile(tree)]).toThrow(expect.objectContaining({ code: "DUMPFILE_UNREPRESENTABLE" }));
        }
      }),
      { numRuns: 500 },
    );
  },
  SLOW,
);

/** Text, or the facts of the error. */
function outcome(run: () => string): unknown {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ComposefsError) || error.code !== "DUMPFILE_INVALID") throw error;
    expect(error.details).toEqual(expect.objectContaining({ line: expect.any(Number), column: expect.any(Number) }));
    return error.toJSON();
  }
}

const parsed = (bytes: Uint8Array): unknown =>
  outcome(() => [...writeDumpfile(parseDumpfileBytes(bytes, { hash: "sha256" }), { losses: "write" })].join(""));

const WORDS = [
  ["/", "/a", "/a/b", "/b", "//", "a", "\\x2f", "/..", "\\", "/\u00e9", "-", "", "#"],
  ["0", "5", "+7", "-1", "18446744073709551615", "18446744073709551616", "", "x"],
  ["100644", "40755", "120777", "20644", "60644", "10644", "140644", "@120000", "x@", "644", "30000"],
  ["0.0", "1.5", "1", ".", "1.1000000000", "-1.0", "1.2.3"],
  ["-", "a", "/a", "\\n", "\\q", "user.a=b", "=", "\u2028", `2c/${"0".repeat(62)}`, "0".repeat(64)],
].flat();

test(
  "random words and damaged dumpfiles give a tree or DUMPFILE_INVALID",
  () => {
    const field = fc.constantFrom(...WORDS);
    const line = fc.oneof(
      fc.array(field, { maxLength: 14 }).map((fields) => fields.join(" ")),
      fc
        .tuple(fc.constantFrom("/", "/a", "/a/b", "/b"), fc.nat({ max: 11 }), field)
        .map(([path, at, word]) => `${path} 0 40755 1 0 0 0 0.0 - - - user.a=b`.split(" ").with(at, word).join(" ")),
    );
    const text = fc.array(line, { maxLength: 6 }).map((lines) => `/ 0 40755 2 0 0 0 0.0 - - -\n${lines.join("\n")}`);
    fc.assert(
      fc.property(text, (input) => {
        parsed(Buffer.from(input));
      }),
      { numRuns: 2000 },
    );
  },
  SLOW,
);

test(
  "arbitrary bytes give a tree or DUMPFILE_INVALID",
  () => {
    const root = Buffer.from("/ 0 40755 2 0 0 0 0.0 - - -\n");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, withRoot) => {
        parsed(withRoot ? Buffer.concat([root, bytes]) : bytes);
      }),
      { numRuns: 1000 },
    );
  },
  SLOW,
);

test(
  "where a stream is cut changes nothing, damage or none",
  async () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 2 });
    const cuts = fc.array(fc.nat(), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(randomTree({ hash: "sha256", maxEntries: 6 }), damage, cuts, async (tree, changes, places) => {
        const bytes = Buffer.from([...writeDumpfile(tree, { losses: "write" })].join(""), "latin1");
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const ends = [0, ...places.map((place) => place % bytes.length).sort((a, b) => a - b), bytes.length];
        async function* source(): AsyncGenerator<Uint8Array> {
          for (const [i, end] of ends.slice(1).entries()) yield bytes.subarray(ends[i], end);
        }
        const whole = parsed(bytes);
        const streamed = await parseDumpfile(source(), { hash: "sha256" }).then(
          (root) => [...writeDumpfile(root, { losses: "write" })].join(""),
          (error: unknown) =>
            outcome(() => {
              throw error;
            }),
        );
        expect(streamed).toEqual(whole);
      }),
      { numRuns: 300 },
    );
  },
  SLOW,
);
