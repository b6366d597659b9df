import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../packages/composefs/src/dumpfile/parse.ts";
import { writeDumpfile } from "../../packages/composefs/src/dumpfile/write.ts";
import { checkTree } from "../../packages/composefs/src/tree/check.ts";
import type { Directory } from "../../packages/composefs/src/tree/node.ts";

/** Recorded with composefs-rs 0.9.0, `mkcomposefs --from-file`; see testdata/README.md. */
interface Case {
  readonly name: string;
  readonly text?: string;
  readonly base64?: string;
  readonly text_parts?: readonly [string, number][];
  readonly recipe?: string;
  readonly ok: boolean;
}

const { cases } = JSON.parse(readFileSync(new URL("../../testdata/erofs/malformed.json", import.meta.url), "utf8")) as {
  cases: Case[];
};

/** The one recipe: 263 names of 250 bytes. */
function tooManyNames(): string {
  const xattrs = Array.from({ length: 263 }, (_, index) => `user.${index.toString().padStart(245, "0")}=v`);
  return `/ 0 40755 2 0 0 0 1000.0 - - -\n/a 0 100644 1 0 0 0 1000.0 - - - ${xattrs.join(" ")}\n`;
}

function input(one: Case): Buffer {
  if (one.base64 !== undefined) return Buffer.from(one.base64, "base64");
  if (one.text_parts !== undefined) return Buffer.from(one.text_parts.map(([text, n]) => text.repeat(n)).join(""));
  return Buffer.from(one.text ?? tooManyNames());
}

/** Line and column where we see the fault of each refused case; the reference gives the line's text only. */
const PLACES = new Map<string, readonly [line: number, column: number]>(
  (
    [
      ["empty file", 1, 1],
      ["only blank lines", 3, 1],
      ["first line not root", 1, 1],
      ["not utf8", 2, 2],
      ["comment line", 2, 1],
      ["one field", 2, 3],
      ["missing digest", 2, 31],
      ["missing mtime on", 2, 20],
      ["empty path", 2, 1],
      ["relative path", 2, 1],
      ["path -", 2, 1],
      ["double slash", 2, 1],
      ["trailing slash", 2, 1],
      ["dot comp", 2, 1],
      ["dotdot comp", 2, 1],
      ["NUL in path", 2, 1],
      ["raw NUL", 2, 1],
      ["path 4097", 2, 1],
      ["bad escape", 2, 3],
      ["unterminated escape", 2, 3],
      ["unterminated hex", 2, 3],
      ["unterminated hex2", 2, 3],
      ["bad hex", 2, 3],
      ["size neg", 2, 4],
      ["size hex", 2, 4],
      ["size 2^64", 2, 4],
      ["size -", 2, 4],
      ["mode not octal", 2, 6],
      ["mode no type", 2, 6],
      ["mode bad type", 2, 6],
      ["nlink text", 2, 13],
      ["nlink -", 2, 13],
      ["uid 2^32", 2, 15],
      ["gid neg", 2, 17],
      ["mtime no dot", 2, 21],
      ["mtime neg", 2, 21],
      ["mtime nsec big", 2, 23],
      ["mtime empty nsec", 2, 23],
      ["mtime two dots", 2, 23],
      ["rdev on regular", 2, 19],
      ["rdev on dir", 2, 18],
      ["content on dir", 2, 29],
      ["content on symlink", 2, 30],
      ["digest on fifo", 2, 31],
      ["symlink no payload", 2, 28],
      ["symlink NUL", 2, 28],
      ["digest with no payload", 2, 33],
      ["digest short", 2, 97],
      ["digest odd", 2, 97],
      ["digest nonhex", 2, 97],
      ["digest sha512 len", 2, 97],
      ["payload not a path, no digest", 2, 29],
      ["payload no slash, no digest", 2, 29],
      ["inline > 512", 2, 32],
      ["trailing space", 2, 34],
      ["double space", 2, 4],
      ["tab sep", 2, 21],
      ["xattr no =", 2, 34],
      ["xattr NUL key", 2, 34],
      ["xattr key 256", 2, 34],
      ["xattr value 65536", 2, 34],
      ["xattr names > 65535", 2, 66320],
      ["parent missing", 2, 1],
      ["parent is a file", 3, 1],
      ["child before parent", 2, 1],
      ["dup file", 3, 1],
      ["dup dir w child", 4, 1],
      ["hardlink missing target", 2, 26],
      ["hardlink forward", 2, 26],
      ["hardlink self", 2, 26],
      ["hardlink to dir", 3, 26],
      ["hardlink mode dir", 3, 6],
      ["hardlink no payload", 2, 26],
      ["hardlink relative payload", 3, 26],
      ["hardlink bad size", 3, 4],
      ["whiteout nlink 2", 2, 12],
    ] as const
  ).map(([name, line, column]) => [name, [line, column]]),
);

/** Refused for what the tree is, not for the text. */
const TREE_FAULTS = ["hardlinked whiteout", "name 4085", "rdev 2^32"];

const accepted = cases.filter((one) => one.ok);
const refused = cases.filter((one) => !one.ok);

test("all cases are there, and each refused one has its place", () => {
  expect([accepted.length, refused.length]).toEqual([24, 79]);
  expect([...PLACES.keys(), ...TREE_FAULTS].sort()).toEqual(refused.map((one) => one.name).sort());
});

test.each(accepted)("accepted: $name", (one) => {
  const root = parseDumpfileBytes(input(one), { hash: "sha256" });
  checkTree(root);
  expect([...writeDumpfile(root)].join("")).toMatch(/^\/ /);
});

test.each(refused)("refused: $name", (one) => {
  const read = (): unknown => parseDumpfileBytes(input(one), { hash: "sha256" });
  if (TREE_FAULTS.includes(one.name)) {
    expect(() => checkTree(read() as Directory)).toThrow(expect.objectContaining({ code: "TREE_INVALID" }));
    return;
  }
  const [line, column] = PLACES.get(one.name) ?? [];
  expect(read).toThrow(
    expect.objectContaining({ code: "DUMPFILE_INVALID", details: expect.objectContaining({ line, column }) }),
  );
});
