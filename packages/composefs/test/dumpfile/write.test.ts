import { expect, test } from "vitest";
import { parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { writeDumpfile } from "../../src/dumpfile/write.ts";
import type { ObjectId } from "../../src/fsverity/object-id.ts";
import { lookup } from "../../src/tree/lookup.ts";
import {
  type ByteString,
  byteString,
  createDirectory,
  createStat,
  type Directory,
  type Leaf,
  type LeafContent,
  type Stat,
} from "../../src/tree/node.ts";

const ID = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" as ObjectId;

function tree(children: Readonly<Record<string, Directory | Leaf>>, stat: Stat = createStat()): Directory {
  return { stat, entries: new Map(Object.entries(children) as [ByteString, Directory | Leaf][]) };
}

function leaf(content: LeafContent, stat: Partial<Stat> = {}): Leaf {
  return { stat: createStat(stat), content };
}

function text(root: Directory, losses: "refuse" | "write" = "refuse"): string {
  return [...writeDumpfile(root, { losses })].join("");
}

const inline = (bytes: string): LeafContent => ({ kind: "inline", bytes: Buffer.from(bytes, "latin1") });

test("each kind, names in bytewise order, the example of the format", () => {
  const linked = leaf(inline("hi"), {
    mode: 0o4755,
    mtimeSeconds: 1700000000n,
    mtimeNanoseconds: 99733098,
    xattrs: new Map([["user.k" as ByteString, Buffer.from("a=b")]]),
  });
  const root = tree(
    {
      b: linked,
      e: leaf({ kind: "external", id: ID, size: 65n }, { mode: 0o644 }),
      a: linked,
      "\xff": leaf({ kind: "symlink", target: Buffer.from("-") }, { mode: 0o777 }),
      d: tree(
        { z: leaf({ kind: "sparse", size: 2n ** 64n - 1n }), s: createDirectory() },
        createStat({ mode: 0o1777 }),
      ),
      c: leaf({ kind: "char", rdev: 259n }),
      k: leaf({ kind: "block", rdev: 2049n }),
      f: leaf({ kind: "fifo" }),
      s: leaf({ kind: "socket" }),
    },
    createStat({ mode: 0o755, mtimeSeconds: 1700000000n, mtimeNanoseconds: 5 }),
  );
  expect(text(root)).toBe(
    [
      "/ 0 40755 3 0 0 0 1700000000.5 - - -",
      "/a 2 104755 2 0 0 0 1700000000.99733098 - hi - user.k=a\\x3db",
      "/b 0 @120000 - - - - 0.0 /a - -",
      "/c 0 20000 1 0 0 259 0.0 - - -",
      "/d 0 41777 3 0 0 0 0.0 - - -",
      "/d/s 0 40000 2 0 0 0 0.0 - - -",
      "/d/z 18446744073709551615 100000 1 0 0 0 0.0 - - -",
      `/e 65 100644 1 0 0 0 0.0 2c/${ID.slice(2)} - ${ID}`,
      "/f 0 10000 1 0 0 0 0.0 - - -",
      "/k 0 60000 1 0 0 2049 0.0 - - -",
      "/s 0 140000 1 0 0 0 0.0 - - -",
      "/\\xff 1 120777 1 0 0 0 0.0 \\x2d - -",
      "",
    ].join("\n"),
  );
});

test.each([
  ["", "- -"],
  ["-", "\\x2d -"],
  ["--", "-- -"],
  ["a=b", "a=b -"],
  ["\\\n\r\t \x00\x7f\xc3\xa9", "\\\\\\n\\r\\t\\x20\\x00\\x7f\\xc3\\xa9 -"],
])("content %j", (bytes, columns) => {
  expect(text(tree({ a: leaf(inline(bytes)) })).split("\n")[1]).toBe(
    `/a ${bytes.length} 100000 1 0 0 0 0.0 - ${columns}`,
  );
});

test("xattrs are sorted by name; a value may be empty or a dash", () => {
  const xattrs = new Map([
    ["user.b", "-"],
    ["user.a", ""],
    ["user.=\xff", "=\n"],
    ["", "x"],
  ] as [string, string][]);
  const stat = createStat({
    xattrs: new Map([...xattrs].map(([name, value]) => [name as ByteString, Buffer.from(value)])),
  });
  expect(text(tree({}, stat))).toBe("/ 0 40000 2 0 0 0 0.0 - - - =x user.\\x3d\\xff=\\x3d\\n user.a= user.b=-\n");
});

const long = (length: number): Buffer => Buffer.alloc(length, "x");
const xattr = (name: string, value = long(1)): Partial<Stat> => ({ xattrs: new Map([[name as ByteString, value]]) });
const manyKeys = new Map(
  Array.from({ length: 258 }, (_, i) => [`user.${i.toString().padStart(250, "0")}` as ByteString, long(0)]),
);
test.each<[string, Leaf, string]>([
  ["a time before 1970", leaf(inline(""), { mtimeSeconds: -1n }), " -1.0 "],
  ["a file without digest", leaf({ kind: "external-no-verity", id: ID, size: 1n }), ` ${ID}`],
  ["an empty sparse file", leaf({ kind: "sparse", size: 0n }), "/a 0 "],
  ["much inline content", leaf({ kind: "inline", bytes: long(513) }), "/a 513 "],
  ["a long target", leaf({ kind: "symlink", target: long(1025) }), "/a 1025 "],
  ["an empty target", leaf({ kind: "symlink", target: long(0) }), " - - -\n"],
  ["NUL in a target", leaf({ kind: "symlink", target: Buffer.from("\0") }), " \\x00 - -\n"],
  ["NUL in an xattr's name", leaf(inline(""), xattr("a\0")), " a\\x00=x"],
  ["a long xattr's name", leaf(inline(""), xattr("a".repeat(256))), "aaa=x"],
  ["a long xattr", leaf(inline(""), xattr("a", long(65536))), "xxx\n"],
  ["long names", leaf(inline(""), { xattrs: manyKeys }), "257=\n"],
])("%s is refused unless losses are allowed", (_, node, sign) => {
  const root = tree({ a: node });
  expect(() => text(root)).toThrow(
    expect.objectContaining({ code: "DUMPFILE_UNREPRESENTABLE", details: expect.objectContaining({ path: "/a" }) }),
  );
  expect(text(root, "write")).toContain(sign);
});

test("so is a whiteout with links, a long path, and a directory's time", () => {
  const whiteout = leaf({ kind: "char", rdev: 0n });
  const roots = [
    tree({ a: whiteout, b: whiteout }),
    tree({ ["a".repeat(4096)]: createDirectory() }),
    tree({ a: createDirectory(createStat({ mtimeSeconds: -5n })) }),
  ];
  for (const root of roots) {
    expect(() => text(root)).toThrow(expect.objectContaining({ code: "DUMPFILE_UNREPRESENTABLE" }));
    expect(text(root, "write").split("\n").length).toBeGreaterThan(2);
  }
});

/** Recorded with `cfsctl dump-files` of composefs-rs 0.9.4. */
test.each([
  ["/etc", "/etc", ["/etc", "/etc/x", "/etc/y>/etc/x"]],
  ["etc", "etc", ["etc", "etc/x", "etc/y>etc/x"]],
  ["etc/", "etc/", ["etc/", "etc/x", "etc/y>etc/x"]],
  ["//etc", "//etc", ["//etc", "//etc/x", "//etc/y>//etc/x"]],
  ["/etc/y", "/etc/y", ["/etc/y"]],
  ["etc/./x", "etc/./x", ["etc/./x"]],
  ["-", "\\x2d", ["\\x2d"]],
  // Ours, cli.md D13.
  ["/", "/", ["/", "/-", "/etc", "/etc/x", "/etc/y>/etc/x"]],
])("begins at %s", (path, _, expected) => {
  const file = leaf(inline("hi\n"));
  const root = tree({ etc: tree({ x: file, y: file }), "-": leaf(inline("z\n")) });
  const bytes = Buffer.from(path);
  const from = { path: byteString(bytes), node: lookup(root, bytes) };
  const lines = [...writeDumpfile(root, { from })].join("").split("\n").slice(0, -1);
  const found = lines.map((line) => {
    const [name, , mode, , , , , , target] = line.split(" ");
    return mode === "@120000" ? `${name}>${target}` : name;
  });
  expect(found).toEqual(expected);
  // Links are counted in the whole tree.
  const counted = lines.filter((line) => / 3 100000 /.test(line));
  for (const line of counted) expect(line.split(" ")[3]).toBe("2");
});

test("pieces are whole lines of limited length", () => {
  const names = Array.from({ length: 5000 }, (_, i) => [`file-${i}`, leaf(inline("x"))] as const);
  const pieces = [...writeDumpfile(tree(Object.fromEntries(names)))];
  expect(pieces.length).toBeGreaterThan(2);
  for (const piece of pieces) {
    expect(piece.endsWith("\n")).toBe(true);
    expect(piece.length).toBeLessThan(100_000);
  }
  expect(parseDumpfileBytes(Buffer.from(pieces.join("")), { hash: "sha256" }).entries.size).toBe(5000);
});
