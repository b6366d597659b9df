import { describe, expect, test } from "vitest";
import { buildImage } from "../../src/erofs/build-image.ts";
import { imageObjects } from "../../src/erofs/image-objects.ts";
import { parseImage } from "../../src/erofs/parse-image.ts";
import { type ByteString, createDirectory, type Directory } from "../../src/tree/node.ts";
import { directory, file, ID, leaf, whiteout, xattrs } from "./trees.ts";

const hash = "sha256";
const v2 = (tree: Directory): Buffer => Buffer.from(buildImage(tree, { version: 2, hash }));
const v1 = (tree: Directory): Buffer => Buffer.from(buildImage(tree, { version: 1, hash }));
const refused = (path: string | null) =>
  expect.objectContaining({ code: "IMAGE_INVALID", details: expect.objectContaining({ path }) });

/** Where inodes are in V2 images of small trees: the first follows the superblock, others come on the next slots. */
const ROOT = 1152;

describe("header and superblock", () => {
  const good = v2(directory());
  test.each([
    ["composefs magic", 0],
    ["header version", 4],
    ["composefs version", 12],
    ["EROFS magic", 1024],
    ["block size", 1036],
    ["extension slots", 1037],
    ["metadata block", 1064],
    ["xattr block", 1069],
    ["feature_incompat", 1104],
    ["compression", 1108],
    ["devices", 1110],
    ["xattr prefixes", 1115],
    ["packed inode", 1120],
    ["packed inode, high half", 1127],
  ])("another %s is refused", (_, at) => {
    const bad = Buffer.from(good);
    bad.writeUInt8(bad.readUInt8(at) ^ 0x71, at);
    expect(() => parseImage(bad, { hash })).toThrow(refused(null));
    expect(() => imageObjects(bad, hash)).toThrow(refused(null));
  });

  test.each([
    ["unknown compatible feature", 8],
    ["checksum bit", 7],
  ])("feature_compat with %s", (what, flags) => {
    const bad = Buffer.from(good);
    bad.writeUInt32LE(flags, 1032);
    const parse = (): Directory => parseImage(bad, { hash });
    if (what === "checksum bit") expect(parse().entries.size).toBe(0);
    else expect(parse).toThrow(refused(null));
  });

  test.each([0, 31, 32, 1023, 1024, 1151])("%i bytes are too few", (length) => {
    expect(() => parseImage(good.subarray(0, length), { hash })).toThrow(refused(null));
  });

  test("a view into a larger buffer will do", () => {
    const padded = Buffer.concat([Buffer.alloc(33), good]);
    expect(parseImage(new Uint8Array(padded.buffer, padded.byteOffset + 33, good.length), { hash }).entries.size).toBe(
      0,
    );
  });
});

/** Inode offset by nid order of V2: what the entry `name` of the root points at. */
function inodeOf(image: Buffer, name: string): number {
  const tail = ROOT + 64; // no xattrs
  for (let at = tail; ; at += 12) {
    const start = tail + image.readUInt16LE(at + 8);
    if (image.toString("latin1", start, start + name.length) === name) return image.readUInt32LE(at) * 32;
  }
}

describe("inodes", () => {
  const tree = directory({
    a: file("content"),
    d: directory({ x: file("x") }),
    l: leaf({ kind: "symlink", target: Buffer.from("to") }),
  });
  const good = v2(tree);
  const [a, d, l] = ["a", "d", "l"].map((name) => inodeOf(good, name)) as [number, number, number];
  test.each<readonly [string, string, (image: Buffer) => unknown]>([
    ["root is a file", "/", (image) => image.writeUInt16LE(0o100644, ROOT + 4)],
    ["root out of the image", "/", (image) => image.writeUInt16LE(0xffff, 1038)],
    ["root in the header", "/", (image) => image.writeUInt16LE(1, 1038)],
    ["layout 6", "/a", (image) => image.writeUInt16LE(1 + 12, a)],
    ["xattrs out of the image", "/a", (image) => image.writeUInt16LE(0xffff, a + 2)],
    ["no file type", "/a", (image) => image.writeUInt16LE(0o644, a + 4)],
    ["size above the image", "/a", (image) => image.writeBigUInt64LE(5000n, a + 8)],
    ["size above 2^53", "/a", (image) => image.writeBigUInt64LE(2n ** 63n, a + 8)],
    [
      "blocks out of the image",
      "/a",
      (image) => image.writeUInt16LE(1, a).toString() && image.writeUInt32LE(1, a + 16),
    ],
    ["V2 content above 512", "/a", (image) => image.writeBigUInt64LE(513n, a + 8)],
    ["a second of nanoseconds", "/a", (image) => image.writeUInt32LE(1_000_000_000, a + 40)],
    ["nlink 2 of one entry", "/a", (image) => image.writeUInt32LE(2, a + 44)],
    ["nlink 0", "/a", (image) => image.writeUInt32LE(0, a + 44)],
    ["nlink 2 of the root", "/", (image) => image.writeUInt32LE(2, ROOT + 44)],
    ["nlink 3 of a leaf directory", "/d", (image) => image.writeUInt32LE(3, d + 44)],
    ["target with NUL", "/l", (image) => image.writeBigUInt64LE(3n, l + 8)],
    ["a whiteout with 2 links", "/a", (image) => image.writeUInt16LE(0o20644, a + 4) && image.writeUInt32LE(2, a + 44)],
    ["first name at 0", "/d", (image) => image.writeUInt16LE(0, d + 64 + 8)],
    ["first name not after entries", "/d", (image) => image.writeUInt16LE(13, d + 64 + 8)],
    ["names out of the tail", "/d", (image) => image.writeUInt16LE(1200, d + 64 + 8)],
    ["a name that ends before it starts", "/d", (image) => image.writeUInt16LE(30, d + 64 + 12 + 8)],
    ["a name with a slash", "/d", (image) => image.write("/", d + 64 + 36 + 3)],
    ["a name with NUL", "/d", (image) => image.write("\0", d + 64 + 36)],
    ["an empty last name", "/d", (image) => image.write("\0", d + 64 + 36 + 3)],
    ["a name twice", "/d", (image) => image.write(".", d + 64 + 36 + 3)],
    ["no '.'", "/d", (image) => image.write("y", d + 64 + 36)],
    ["another '.'", "/d", (image) => image.writeUInt32LE(ROOT / 32, d + 64)],
    ["another '..'", "/d", (image) => image.writeUInt32LE(d / 32, d + 64 + 12)],
    ["an inode number above 2^32", "/d", (image) => image.writeUInt32LE(1, d + 64 + 24 + 4)],
    ["a directory as its own child", "/d/x", (image) => image.writeUInt32LE(d / 32, d + 64 + 24)],
    ["the root as a child", "/d/x", (image) => image.writeUInt32LE(ROOT / 32, d + 64 + 24)],
  ])("%s is refused", (_, path, change) => {
    const bad = Buffer.from(good);
    change(bad);
    expect(bad.equals(good)).toBe(false);
    expect(() => parseImage(bad, { hash })).toThrow(refused(path));
  });
});

describe("xattrs", () => {
  const tree = directory({
    a: file("", { xattrs: xattrs({ "user.k": "v", "user.s": "shared" }) }),
    b: file("", { xattrs: xattrs({ "user.s": "shared" }) }),
    x: leaf({ kind: "external", id: ID, size: 65n }),
  });
  const good = v2(tree);
  const [a, x] = ["a", "x"].map((name) => inodeOf(good, name)) as [number, number];
  test.each<readonly [string, string, (image: Buffer) => unknown]>([
    ["more references than room", "/a", (image) => image.writeUInt8(9, a + 64 + 4)],
    ["a reference out of the image", "/a", (image) => image.writeUInt32LE(0xffffffff, a + 64 + 12)],
    ["a suffix out of the area", "/a", (image) => image.writeUInt8(200, a + 64 + 16)],
    ["a value out of the area", "/a", (image) => image.writeUInt16LE(60_000, a + 64 + 16 + 2)],
    ["prefix 7", "/a", (image) => image.writeUInt8(7, a + 64 + 16 + 1)],
    ["metacopy of another version", "/x", (image) => image.writeUInt8(1, x + 64 + 12 + 4 + 16)],
    ["metacopy of another hash", "/x", (image) => image.writeUInt8(2, x + 64 + 12 + 4 + 16 + 3)],
    ["a short metacopy", "/x", (image) => image.writeUInt16LE(35, x + 64 + 12 + 2)],
  ])("%s is refused", (_, path, change) => {
    const bad = Buffer.from(good);
    change(bad);
    expect(bad.equals(good)).toBe(false);
    expect(() => parseImage(bad, { hash })).toThrow(refused(path));
  });

  test("an image of the other hash is refused, but its objects are passed over", () => {
    expect(() => parseImage(good, { hash: "sha512" })).toThrow(refused("/x"));
    expect(imageObjects(good, "sha512")).toEqual([]);
    expect(imageObjects(good, hash)).toEqual([ID]);
  });
});

/** A tree of nested directories. */
function nested(depth: number): Directory {
  let tree = createDirectory();
  for (let i = 0; i < depth; i++) tree = directory({ d: tree });
  return tree;
}

test.each([0, 1, 2] as const)("2047 levels of directories in V%i", (version) => {
  let tree: Directory | undefined = parseImage(buildImage(nested(2047), { version, hash }), { hash });
  let depth = 0;
  for (; tree !== undefined; depth++) tree = tree.entries.get("d" as ByteString) as Directory | undefined;
  expect(depth).toBe(2048);
});

test("inodes whose claims overlap are refused before they make work", () => {
  // Every file has all of the image as its content, and so has every second name of each.
  const names = Array.from({ length: 300 }, (_, i) => [`f${i}`, file("x".repeat(60))]);
  const image = v1(directory(Object.fromEntries(names)));
  const tree = parseImage(image, { hash });
  expect(tree.entries.size).toBe(300);
  for (let at = ROOT; at + 64 < image.length; at += 32) {
    if (image.readUInt16LE(at) !== 4 || image.readUInt32LE(at + 8) !== 60) continue; // compact, with a tail
    image.writeUInt32LE(image.length - 4036, at + 8);
    image.writeUInt32LE(0, at + 16);
  }
  expect(() => parseImage(image, { hash })).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
});

describe("the metadata check of imageObjects", () => {
  test("V2: no escaped whiteouts", () => {
    const image = v2(directory({ f: file("", { xattrs: xattrs({ "trusted.overlay.whiteout": "" }) }) }));
    expect(() => imageObjects(image, hash)).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });

  test("V1: all stubs", () => {
    const image = v2(directory());
    image.writeUInt32LE(1, 12); // V2 has none
    expect(() => imageObjects(image, hash)).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });

  test("V1: no native whiteouts below the root", () => {
    const stubs = Array.from({ length: 256 }, (_, i) => [i.toString(16).padStart(2, "0"), whiteout()]);
    const image = v2(directory({ ...Object.fromEntries(stubs), d: directory({ w: whiteout() }) }));
    expect(imageObjects(image, hash)).toEqual([]);
    image.writeUInt32LE(1, 12);
    expect(() => imageObjects(image, hash)).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });

  test("V1: no link target across blocks", () => {
    const image = v1(directory({ l: leaf({ kind: "symlink", target: Buffer.alloc(1000, 97) }) }));
    expect(imageObjects(image, hash)).toEqual([]);
    const at = image.indexOf(Buffer.alloc(1000, 97)) - 32;
    expect(image.readUInt32LE(at + 8)).toBe(1000);
    image.writeUInt32LE(4095, at + 8);
    expect(() => imageObjects(image, hash)).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  });
});
