import { expect, test } from "vitest";
import { parseDumpfile, parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import type { ComposefsError } from "../../src/errors.ts";
import type { ByteString, Directory, Leaf } from "../../src/tree/node.ts";
import { plainTree } from "../support/plain-tree.ts";

const ROOT = "/ 0 40755 2 0 0 0 1000.0 - - -\n";
const ID = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

function parse(text: string | Uint8Array): Directory {
  return parseDumpfileBytes(typeof text === "string" ? Buffer.from(text) : text, { hash: "sha256" });
}

function leaf(line: string): Leaf {
  return parse(`${ROOT}${line}\n`).entries.get("a" as ByteString) as Leaf;
}

test.each([
  ["/a 0 100644 1 0 0 0 0.0 - - -", { kind: "inline", bytes: Buffer.alloc(0) }],
  ["/a 7 100644 1 0 0 0 0.0 - \\x00\\n\\\\é -", { kind: "inline", bytes: Buffer.from("\0\n\\é") }],
  ["/a 1 100644 1 0 0 0 0.0 - \\x2d -", { kind: "inline", bytes: Buffer.from("-") }],
  [`/a 9 100644 1 0 0 0 0.0 2c/26 - ${ID.toUpperCase()}`, { kind: "external", id: ID, size: 9n }],
  [`/a 9 100644 1 0 0 0 0.0 pre/2c/${ID.slice(2)} - -`, { kind: "external-no-verity", id: ID, size: 9n }],
  ["/a 18446744073709551615 100644 1 0 0 0 0.0 - - -", { kind: "sparse", size: 2n ** 64n - 1n }],
  ["/a 1 120777 1 0 0 0 0.0 - - -".replace(" - - -", " a\\tb - -"), { kind: "symlink", target: Buffer.from("a\tb") }],
  ["/a 0 20644 1 0 0 259 0.0 - - -", { kind: "char", rdev: 259n }],
  ["/a 0 60644 1 0 0 18446744073709551615 0.0 - - -", { kind: "block", rdev: 2n ** 64n - 1n }],
  ["/a 0 10644 1 0 0 0 0.0 - - -", { kind: "fifo" }],
  ["/a 0 140644 1 0 0 0 0.0 - - -", { kind: "socket" }],
])("content of %s", (line, content) => {
  expect(leaf(line).content).toEqual(content);
});

test("all of a Stat", () => {
  const { stat } = leaf("/a 0 107644 1 4294967295 65536 0 1700000000.5 - - - user.b=2 user.a=\\x3d user.b=10 user.b=");
  expect(stat).toEqual({
    mode: 0o7644,
    uid: 4294967295,
    gid: 65536,
    mtimeSeconds: 1700000000n,
    mtimeNanoseconds: 5,
    xattrs: new Map([
      ["user.b", Buffer.from("2")],
      ["user.a", Buffer.from("=")],
    ]),
  });
});

test("seconds above 2^63 are times before 1970", () => {
  expect(leaf("/a 0 100644 1 0 0 0 18446744073709551615.0 - - -").stat.mtimeSeconds).toBe(-1n);
});

test("hard links are one object", () => {
  const root = parse(
    `${ROOT}/d 0 40755 2 0 0 0 0.0 - - -\n/d/a 0 100644 9 0 0 0 0.0 - - -\n/b 0 @120000 - - - - 0.0 /d/a - -\n/c 0 x@0 ? ? ? ? ? /b\n`,
  );
  const inner = root.entries.get("d" as ByteString) as Directory;
  expect(root.entries.get("b" as ByteString)).toBe(inner.entries.get("a" as ByteString));
  expect(root.entries.get("c" as ByteString)).toBe(inner.entries.get("a" as ByteString));
});

test("a link can save a replaced file, also one below a replaced directory", () => {
  const lines = [
    "/d 0 40755 2 0 0 0 0.0 - - -",
    "/d/f 1 100644 1 0 0 0 0.0 - x -",
    "/d 0 40700 2 0 0 0 0.0 - - -",
    "/d/g 1 100644 1 0 0 0 0.0 - y -",
    "/b 0 @120000 - - - - 0.0 /d/f - -",
  ];
  expect(plainTree(parse(ROOT + lines.join("\n"))).map(({ path, content }) => [path, content.bytes])).toEqual([
    ["/", undefined],
    ["/b", "x"],
    ["/d", undefined],
    ["/d/g", "y"],
  ]);
});

test("a replaced directory has the children of its last line only", () => {
  const lines = ["/x", "/x/d", "/x/d/e", "/x/d", "/x/d/f", "/y", "/x", "/x/g", "/z"];
  const text = lines.map((path) => `${path} 0 40755 2 0 0 0 0.0 - - -\n`).join("");
  expect(plainTree(parse(ROOT + text)).map(({ path }) => path)).toEqual(["/", "/x", "/x/g", "/y", "/z"]);
});

test.each([
  ["UTF-8 as it is", `${ROOT}/é 0 40755 2 0 0 0 0.0 - - -\n`, "/\xc3\xa9"],
  ["an escaped slash", `${ROOT}/d 0 40755 2 0 0 0 0.0 - - -\n\\x2fd\\x2fe 0 40755 2 0 0 0 0.0 - - -\n`, "/d/e"],
  ["blank lines, CR", `\r\n \u3000\u0085\n${ROOT}\n/a 0 40755 2 0 0 0 0.0 - - -\r\n`, "/a"],
  ["no last LF", `${ROOT}/a 0 40755 2 0 0 0 0.0 - - -`, "/a"],
  ["a path of 4096 bytes", `${ROOT}/${"a".repeat(4095)} 0 40755 2 0 0 0 0.0 - - -`, `/${"a".repeat(4095)}`],
])("takes %s", (_, text, last) => {
  expect(plainTree(parse(text)).at(-1)?.path).toBe(last);
});

const A = "/a 0 100644 1 0 0 0 0.0";
test.each([
  // What the recorded cases lack; those are in tests/conformance.
  ["a BOM", `\ufeff${ROOT}`, 1, 1, "PATH"],
  ["U+FEFF, which is not blank", `${ROOT}\ufeff\n`, 2, 1, "PATH"],
  ["U+001C, which is not blank", `${ROOT}\u001c\n`, 2, 1, "PATH"],
  ["CR without LF", `${ROOT}${A} - - -\r`, 2, 29, "DIGEST"],
  ["an empty DIGEST", `${ROOT}${A} - - \n`, 2, 29, "DIGEST"],
  ["an escape cut by a multi-byte character", `${ROOT}/a\\x4é 0 40755`, 2, 3, "PATH"],
  ["a minus in an escape", `${ROOT}/a\\x-1 0 40755`, 2, 3, "PATH"],
  ["content of 513 bytes in escapes", `${ROOT}${A} - ${"\\x61".repeat(513)} -`, 2, 27, "CONTENT"],
  ["content of 513 bytes in characters of three", `${ROOT}${A} - ${"€".repeat(171)} -`, 2, 27, "CONTENT"],
  ["an empty target", `${ROOT}/a 0 120777 1 0 0 0 0.0  - -`, 2, 25, "PAYLOAD"],
  ["a target of 1025 bytes", `${ROOT}/a 0 120777 1 0 0 0 0.0 ${"x".repeat(1025)} - -`, 2, 25, "PAYLOAD"],
  ["a bad escape in a PAYLOAD beside a DIGEST", `${ROOT}${A} x\\q - ${ID}`, 2, 26, "PAYLOAD"],
  ["an escape behind the = of an xattr", `${ROOT}${A} - - - user.a=b\\q`, 2, 39, "xattr 1"],
  ["a value of 65536 bytes in escapes", `${ROOT}${A} - - - a= b=${"\\x61".repeat(65536)}`, 2, 34, "xattr 2"],
  ["two @ in MODE", `${ROOT}${A} - - -\n/b 0 a@b@0 - - - - - /a`, 3, 8, "MODE"],
  ["a link to the root", `${ROOT}/b 0 @0 - - - - - /`, 2, 19, "PAYLOAD"],
  ["a MODE above 32 bits", `${ROOT}/a 0 40000100644 1 0 0 0 0.0 - - -`, 2, 6, "MODE"],
  ["nanoseconds above 64 bits", `${ROOT}/a 0 100644 1 0 0 0 1.18446744073709551616 - - -`, 2, 23, "MTIME"],
  [
    "a file replaced twice, the second linked",
    `${ROOT}${A} - 1 -\n${A} - 2 -\n/b 0 @0 - - - - - /a\n${A} - 3 -`,
    3,
    1,
    "PATH",
  ],
  [
    "a file replaced by a link",
    `${ROOT}${A} - - -\n/b 0 40755 2 0 0 0 0.0 - - -\n/b/c 0 100644 1 0 0 0 0.0 - - -\n/b 0 @0 - - - - - /a`,
    5,
    1,
    "PATH",
  ],
])("refuses %s with its place", (_, text, line, column, field) => {
  expect(() => parse(text)).toThrow(
    expect.objectContaining({
      code: "DUMPFILE_INVALID",
      details: expect.objectContaining({ line, column, field, text: expect.any(String) }),
    }),
  );
});

test.each([
  ["at the start of a line", [0xff, 0x20], 1],
  ["after good characters", [0x2f, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0x80], 7],
  ["a character cut by the LF", [0x2f, 0xe2, 0x82], 2],
  ["a surrogate", [0x2f, 0xed, 0xa0, 0x80], 2],
  ["beside U+FFFD", [0x2f, 0xef, 0xbf, 0xbd, 0xfe], 5],
])("refuses bytes that are not UTF-8: %s", (_, bytes, column) => {
  const places = ["", "\n"].map((end) => {
    try {
      return parse(Buffer.concat([Buffer.from(ROOT), Buffer.from(bytes), Buffer.from(end)]));
    } catch (error) {
      return (error as ComposefsError).details;
    }
  });
  expect(places).toEqual([
    { line: 2, column },
    { line: 2, column },
  ]);
});

test("hints name the way out", () => {
  const hint = (text: string): string | undefined => {
    try {
      parse(text);
    } catch (error) {
      return (error as ComposefsError).hint;
    }
    return undefined;
  };
  const hints = [
    hint("# comment\n"),
    hint(`${ROOT}/a\t0 40755 2 0 0 0 0.0 - - -`),
    hint(`${ROOT}/a 0 100644 1 0 0 0 0.0 x - ${ID}${ID}`),
    hint(`${ROOT}/d/a 0 100644 1 0 0 0 0.0 - - -`),
  ];
  expect(hints.every((text) => text !== undefined)).toBe(true);
  expect(new Set(hints).size).toBe(hints.length);
});

test("the root may be of any kind, and a later line changes it", () => {
  const root = parse(`/ 5 20644 7 0 0 0 3.4 - - -\n${A} - - -\n/ 9 100711 1 1 2 0 5.6 any - nonsense user.a=b\n`);
  expect(plainTree(root).map(({ path, stat }) => [path, stat.mode, stat.mtime])).toEqual([
    ["/", "711", "5s 6ns"],
    ["/a", "644", "0s 0ns"],
  ]);
});

test("a stream gives what its bytes give, and errors of the source pass through", async () => {
  async function* source(fails: boolean): AsyncGenerator<Uint8Array> {
    for (const byte of Buffer.from(`${ROOT}${A} - é -`)) yield Uint8Array.of(byte);
    if (fails) throw new RangeError("broken");
  }
  const options = { hash: "sha256" } as const;
  expect(plainTree(await parseDumpfile(source(false), options))).toEqual(plainTree(parse(`${ROOT}${A} - é -`)));
  await expect(parseDumpfile(source(true), options)).rejects.toThrow(RangeError);
});

test("ids have the length of the hash", () => {
  const text = Buffer.from(`${ROOT}/a 9 100644 1 0 0 0 0.0 x - ${ID}${ID}\n`);
  expect(parseDumpfileBytes(text, { hash: "sha512" }).entries.get("a" as ByteString)).toMatchObject({
    content: { kind: "external", id: ID + ID, size: 9n },
  });
});
