import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { parseDumpfileBytes } from "../../src/dumpfile/parse.ts";
import { buildImage, imageId } from "../../src/erofs/build-image.ts";
import { imageObjects } from "../../src/erofs/image-objects.ts";
import { parseImage } from "../../src/erofs/parse-image.ts";
import type { ByteString, Directory } from "../../src/tree/node.ts";
import { plainTree } from "../support/plain-tree.ts";
import { directory, file, ID, leaf, whiteout, xattrs } from "./trees.ts";

const VERSIONS = [0, 1, 2] as const;
const hash = "sha256";

// erofs-image.md §13
test.each([
  [0, "8f589e8f57ecb88823736b0d857ddca1e1068a23e264fad164b28f7038eb3682"],
  [1, "14a26c957c84f6eb774b91205476adc13196c7c33b9dd97d08d43725ecb90b63"],
  [2, "086b702a519b57d6ef5aea6f8b3f2be24355cd1fb835cd80fb4e3d388b24d5a5"],
] as const)("an empty root in V%i", (version, id) => {
  expect(imageId(buildImage(directory(), { version, hash }), hash)).toBe(id);
});

// Ids: `mkcomposefs --from-file --min-version N --max-version N --print-digest` of composefs-rs 0.9.4 for the same text.
test.each([
  [0, "274f2c95c2ee942f2e580c290d65ccfe6824c5b35046896cb117247702af2059"],
  [1, "4ac671febeaecf9306fbc62bf3a5909f7ecd8bf792b78bdf0ce2017fe2ac1653"],
] as const)(
  "an image of many pieces in V%i: inodes, shared xattrs and blocks have more than one each",
  (version, id) => {
    const lines = ["/ 0 40755 3 0 0 0 1.0 - - -", "/d 0 40755 2 0 0 0 1.0 - - -"];
    for (let i = 1000; i < 7000; i++) {
      const object = createHash("sha256").update(`${i}`).digest("hex");
      const path = `/d/${"object-".repeat(28)}${i}`;
      lines.push(`${path} ${5000 + i} 100644 1 0 0 0 ${i}.0 ${object.slice(0, 2)}/${object.slice(2)} - ${object}`);
    }
    for (let i = 1000; i < 1080; i++) {
      lines.push(`/xattr-${i} 4 100644 1 0 0 0 1.0 - ${i} - user.x=${`${i >> 1}`.repeat(8000)}`);
    }
    const image = buildImage(parseDumpfileBytes(Buffer.from(`${lines.join("\n")}\n`), { hash }), { version, hash });
    expect(imageId(image, hash)).toBe(id);
  },
);

test("the order of children and xattrs does not matter, and the tree stays as it was", () => {
  const names = ["b", "a", "é", "!"];
  const make = (order: readonly string[]): Directory =>
    directory(Object.fromEntries(order.map((name) => [name, file(name)])), {
      xattrs: xattrs(Object.fromEntries(order.map((name) => [`user.${name}`, name]))),
    });
  const [one, other] = [make(names), make(names.toReversed())];
  for (const version of VERSIONS) {
    expect(Buffer.compare(buildImage(one, { version, hash }), buildImage(other, { version, hash }))).toBe(0);
  }
  expect(plainTree(one)).toEqual(plainTree(make(names)));
  expect([...one.entries.keys()]).toEqual([...make(names).entries.keys()]);
});

const twice = whiteout();
const loop = directory();
loop.entries.set("again" as ByteString, loop);
const manyXattrs = xattrs(Object.fromEntries(Array.from({ length: 256 }, (_, i) => [`user.${i}`, ""])));
const longXattrs = xattrs(Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`user.${i}`, "x".repeat(65_000)])));

/** What no image can hold: the tree and the path that the error names. */
const REFUSED: readonly (readonly [string, Directory, string])[] = [
  ["a name with a slash", directory({ d: directory({ "a/b": file("") }) }), "/d"],
  ["a name with NUL", directory({ "a\0b": file("") }), "/"],
  ["an empty name", directory({ "": file("") }), "/"],
  ["a child '.'", directory({ ".": file("") }), "/"],
  ["a child '..'", directory({ "..": directory() }), "/"],
  ["a name of 4085 bytes", directory({ ["n".repeat(4085)]: file("") }), "/"],
  ["a linked whiteout", directory({ a: twice, b: twice }), "/a"],
  ["a directory in itself", loop, `/${Array.from({ length: 2048 }, () => "again").join("/")}`],
  ["256 shared xattrs", directory({ a: file("", { xattrs: manyXattrs }), b: file("", { xattrs: manyXattrs }) }), "/a"],
  ["325,000 bytes of xattrs", directory({ d: directory({ f: file("", { xattrs: longXattrs }) }) }), "/d/f"],
  ["an xattr value of 65,536 bytes", directory({ f: file("", { xattrs: xattrs({ u: "x".repeat(65_536) }) }) }), "/f"],
  ["an xattr suffix of 256 bytes", directory({ f: file("", { xattrs: xattrs({ ["x".repeat(256)]: "" }) }) }), "/f"],
  ["a device above 32 bits", directory({ f: leaf({ kind: "block", rdev: 2n ** 32n }) }), "/f"],
  ["a size above 64 bits", directory({ f: leaf({ kind: "sparse", size: 2n ** 64n }) }), "/f"],
  ["a negative size", directory({ f: leaf({ kind: "sparse", size: -1n }) }), "/f"],
  ["a target with NUL", directory({ f: leaf({ kind: "symlink", target: Buffer.from("a\0b") }) }), "/f"],
  ["a target of 4096 bytes", directory({ f: leaf({ kind: "symlink", target: Buffer.alloc(4096, 97) }) }), "/f"],
  ["type bits in the mode", directory({ f: file("", { mode: 0o100644 }) }), "/f"],
  ["a uid above 32 bits", directory({ f: file("", { uid: 2 ** 32 }) }), "/f"],
  ["a negative gid", directory({ f: file("", { gid: -1 }) }), "/f"],
  ["seconds above 63 bits", directory({ f: file("", { mtimeSeconds: 2n ** 63n }) }), "/f"],
  ["a second of nanoseconds", directory({ f: file("", { mtimeNanoseconds: 1_000_000_000 }) }), "/f"],
];

describe.each(VERSIONS)("V%i", (version) => {
  test.each(REFUSED)("refuses %s", (_, tree, path) => {
    expect(() => buildImage(tree, { version, hash })).toThrow(
      expect.objectContaining({ code: "IMAGE_UNREPRESENTABLE", details: { path } }),
    );
  });

  test("takes the longest of everything, and reads it back", () => {
    const label = xattrs({ [`trusted.overlay.${"x".repeat(239)}`]: "v".repeat(65_535) });
    const shared = xattrs(Object.fromEntries(Array.from({ length: 254 }, (_, i) => [`user.${i}`, ""])));
    const tree = directory({
      ["n".repeat(4084)]: file("deep"),
      one: file("1", { xattrs: label, uid: 2 ** 32 - 1, mtimeSeconds: 2n ** 63n - 1n }),
      two: file("2", { xattrs: shared }),
      three: file("3", { xattrs: shared, mtimeSeconds: -(2n ** 63n) }),
      huge: leaf({ kind: "external", id: ID, size: 2n ** 64n - 1n }),
      device: leaf({ kind: "block", rdev: 2n ** 32n - 1n }),
    });
    const image = buildImage(tree, { version, hash });
    expect(plainTree(parseImage(image, { hash }))).toEqual(plainTree(tree));
    expect(imageObjects(image, hash)).toEqual([ID]);
  });

  test("refuses an id of the other hash", () => {
    const tree = directory({ f: leaf({ kind: "external", id: ID, size: 65n }) });
    expect(() => buildImage(tree, { version, hash: "sha512" })).toThrow(
      expect.objectContaining({ code: "DIGEST_INVALID" }),
    );
  });
});

test.each([
  ["content of 513 bytes", file("x".repeat(513))],
  ["a target of 1025 bytes", leaf({ kind: "symlink", target: Buffer.alloc(1025, 97) })],
])("%s: not in V2, whose readers refuse it", (_, node) => {
  const tree = directory({ node });
  expect(() => buildImage(tree, { version: 2, hash })).toThrow(
    expect.objectContaining({ code: "IMAGE_UNREPRESENTABLE" }),
  );
  expect(plainTree(parseImage(buildImage(tree, { version: 1, hash }), { hash }))).toEqual(plainTree(tree));
});

// V0 and V1 put a rest above 2048 bytes into a block, and what fills blocks too.
test.each([2048, 2049, 4095, 4096, 4097, 6144, 6145, 8192, 20_000])("inline content of %i bytes in V1", (length) => {
  const bytes = Buffer.from(Array.from({ length }, (_, i) => i % 251));
  const tree = directory({ f: leaf({ kind: "inline", bytes }), g: file("after") });
  expect(plainTree(parseImage(buildImage(tree, { version: 1, hash }), { hash }))).toEqual(plainTree(tree));
});

// The reference writes the first, and answers "Invalid inode" when it reads it.
test.each([
  [0, "refused"],
  [32, "read back"],
])("a sparse file that ends %i bytes before a V2 image is %s", (room, outcome) => {
  const a = 1280; // after the superblock and the root with its entries
  const z = 4096 - room - 64 - 12 - 20; // with the metacopy xattr
  const value = "v".repeat(z - a - 64 - 12 - 4 - 1 - 4);
  const tree = directory({
    a: file("", { xattrs: xattrs({ "user.k": value }) }),
    z: leaf({ kind: "sparse", size: 999n }),
  });
  const build = (): Uint8Array => buildImage(tree, { version: 2, hash });
  if (outcome === "refused") {
    expect(build).toThrow(expect.objectContaining({ code: "IMAGE_UNREPRESENTABLE", details: { path: "/z" } }));
  } else {
    const image = build();
    expect(image.length).toBe(4096);
    expect(plainTree(parseImage(image, { hash }))).toEqual(plainTree(tree));
  }
});
