import { createHash } from "node:crypto";
import { linkSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { content } from "./big-tree.ts";
import type { MadeLayer } from "./layout-builder.ts";
import { gzipMembers, gzipped, plain, tarOf, zstdFrames } from "./made-layers.ts";
import { run } from "./run.ts";
import { writeSmallLayer } from "./small-tree.ts";

/** Brings a layer about in the root directory. */
type LayerWriter = (root: string) => void;

/** An image that is to be the same wherever it comes from. Making one needs root. */
export type ImageRecipe = BuiltRecipe | MadeRecipe;

/** Built by buildah: layers as overlayfs and podman's library have them. */
interface BuiltRecipe {
  readonly name: string;
  readonly build: readonly LayerWriter[];
  /** Form of manifest and config; skopeo converts the config when the image goes into an OCI layout. */
  readonly format?: "docker";
}

/** Written by hand: layers as other tools have them. */
interface MadeRecipe {
  readonly name: string;
  readonly make: () => readonly MadeLayer[];
  /** Transports of skopeo that do not take the image, with the reason. */
  readonly not?: Readonly<Record<string, string>>;
}

export const RECIPES: readonly ImageRecipe[] = [
  { name: "one layer", build: [(root) => writeSmallLayer(root, 0)] },
  { name: "whiteouts, opaque directories", build: [0, 1, 2].map((layer) => (root) => writeSmallLayer(root, layer)) },
  { name: "links, devices", build: [writeLinks, writeMoreLinks] },
  { name: "attributes", build: [writeAttributed, writeLessAttributed] },
  { name: "long names", build: [writeLongNames, (root) => writeLongNames(join(root, "usr/again"))] },
  { name: "holes", build: [writeHoles] },
  { name: "docker's schema 2", build: [0, 1].map((layer) => (root) => writeSmallLayer(root, layer)), format: "docker" },
  { name: "twelve layers", make: () => Array.from({ length: 12 }, (_, layer) => step(layer)) },
  { name: "whiteouts by hand", make: () => [plain(tarOf(writeBase)), plain(tarOf(writeWhiteouts))] },
  { name: "opaque markers by hand", make: opaqueMarkers },
  { name: "formats of tar", make: formats },
  {
    name: "a link into a lower layer",
    make: () => [plain(tarOf(writeBase)), plain(linkBeneath())],
    not: { "containers-storage": "podman makes links within a layer only" },
  },
  { name: "gzip of many members", make: () => [gzipMembers(tarOf(writeBase)), gzipMembers(tarOf(writeBulk))] },
  {
    name: "zstd of many frames",
    make: () => [zstdFrames(tarOf(writeBase)), gzipped(tarOf(writeWhiteouts)), zstdFrames(tarOf(writeBulk))],
    not: { "docker-archive": "skopeo does not put layers compressed by zstd there" },
  },
];

function write(root: string, name: string, size: number): void {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content(createHash("sha256").update(name).digest(), size));
}

function writeLinks(root: string): void {
  write(root, "usr/links/z-first", 4_000);
  write(root, "usr/links/inline", 20);
  mkdirSync(join(root, "usr/bin"));
  for (const name of ["usr/links/a", "usr/bin/a"]) linkSync(join(root, "usr/links/z-first"), join(root, name));
  linkSync(join(root, "usr/links/inline"), join(root, "usr/bin/inline"));
  symlinkSync("a", join(root, "usr/links/symlink"));
  linkSync(join(root, "usr/links/symlink"), join(root, "usr/bin/symlink"));
  const device = (name: string, ...rest: string[]) => run("mknod", [join(root, "usr/links", name), ...rest]);
  device("char", "c", "5", "1");
  device("char-wide", "c", "10", "70000");
  device("block", "b", "259", "200000");
  device("fifo", "p");
  linkSync(join(root, "usr/links/char"), join(root, "usr/bin/char"));
}

/** One of several names goes, another gets more; a name of a file of the layer beneath. */
function writeMoreLinks(root: string): void {
  rmSync(join(root, "usr/links/a"));
  linkSync(join(root, "usr/links/z-first"), join(root, "usr/links/more"));
  linkSync(join(root, "usr/links/fifo"), join(root, "usr/bin/fifo"));
  rmSync(join(root, "usr/links/block"));
  mkdirSync(join(root, "usr/links/block"));
}

/** None is empty: podman reads an empty PAX record as no record. */
const ATTRIBUTES = `
import os, sys
place = lambda name: os.path.join(sys.argv[1], "usr", name)
capability = bytes.fromhex("0100000200200000000000000000000000000000")
for name in ("large", "inline"): os.setxattr(place(name), "security.capability", capability)
rooted = bytes.fromhex("01000003002000000000000000000000000000000a000000")
os.setxattr(place("rooted"), "security.capability", rooted)
for name in ("large", "rooted"): os.setxattr(place(name), "user.bytes", bytes(range(256)) + b"=\\n" * 900)
os.setxattr(place("inline"), "user." + "n" * 250, b"\\0")
os.setxattr(place("inline"), b"user.\\xc3\\xa4 b", b"utf-8")
os.setxattr(place(""), "user.on-usr", b"u")
os.setxattr(place("dir"), "user.on-directory", b"d")
`;

function writeAttributed(root: string): void {
  for (const [name, size] of [
    ["large", 10_000],
    ["inline", 10],
    ["rooted", 300],
  ] as const) {
    write(root, `usr/${name}`, size);
  }
  mkdirSync(join(root, "usr/dir"));
  run("python3", ["-c", ATTRIBUTES, root]);
}

/** A file loses its attributes, another is linked with them. */
function writeLessAttributed(root: string): void {
  run("python3", ["-c", 'import os, sys; os.removexattr(sys.argv[1], "user.bytes")', join(root, "usr/large")]);
  renameSync(join(root, "usr/inline"), join(root, "usr/renamed"));
}

/** Components up to 255 bytes, paths longer than any header holds, 300 directories deep, and names that are no UTF-8. */
function writeLongNames(root: string): void {
  const dir = join(root, "usr");
  for (const length of [99, 100, 101, 154, 155, 156, 254, 255]) write(dir, "n".repeat(length), 70);
  write(dir, `${"p".repeat(155)}/${"q".repeat(100)}`, 5);
  write(dir, `${"p".repeat(156)}/${"q".repeat(99)}`, 500);
  write(dir, `${"d/".repeat(300)}deep`, 100);
  write(dir, `${`${"l".repeat(250)}/`.repeat(8)}${"f".repeat(255)}`, 100);
  symlinkSync("t".repeat(1_000), join(dir, "s".repeat(200)));
  linkSync(join(dir, "n".repeat(255)), join(dir, "k".repeat(255)));
  const raw = (hex: string): Buffer => Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(hex, "hex")]);
  writeFileSync(raw("fffe80"), "raw".repeat(100));
  writeFileSync(raw("ff".repeat(200)), "raw and long");
  writeFileSync(raw("6e6577200a6c696e65"), "newline");
  writeFileSync(raw("c3a4".repeat(100)), "UTF-8 and long");
  symlinkSync(Buffer.from("c0af".repeat(90), "hex"), raw("6c696e6b2dff"));
  for (const odd of [" ", "back\\slash", "=", "'", "\t", "%s"]) write(dir, odd, 66);
}

function writeHoles(root: string): void {
  write(root, "usr/ends-in-a-hole", 5_000);
  truncateSync(join(root, "usr/ends-in-a-hole"), 3_000_000);
  write(root, "usr/hole", 0);
  truncateSync(join(root, "usr/hole"), 1_000_001);
  write(root, "usr/hole-within", 0);
  truncateSync(join(root, "usr/hole-within"), 2_000_000);
  writeFileSync(join(root, "usr/hole-within"), "end", { flag: "a" });
  write(root, "usr/small-hole", 0);
  truncateSync(join(root, "usr/small-hole"), 60);
}

function step(layer: number): MadeLayer {
  const tar = tarOf(
    (root) => {
      write(root, `usr/${layer}`, 50 * layer);
      write(root, "usr/always", 100 + layer);
      if (layer % 3 === 2) write(root, `usr/.wh.${layer - 1}`, 0);
    },
    { format: layer % 2 === 0 ? "gnu" : "posix" },
  );
  return layer % 4 < 2 ? plain(tar) : gzipped(tar);
}

function writeBase(root: string): void {
  for (const name of ["file", "dir/a", "dir/b", "dir/sub/c", "to-dir", "to-file/x", "to-link/x", "keep/a", "keep/b"]) {
    write(root, `usr/${name}`, 200);
  }
  symlinkSync("dir", join(root, "usr/from-link"));
  symlinkSync("file", join(root, "usr/link"));
}

function writeWhiteouts(root: string): void {
  for (const gone of ["file", "link", "never-there", "keep/.wh.a", "dir/.wh.sub"]) {
    write(root, `usr/${gone.includes("/") ? gone : `.wh.${gone}`}`, 0);
  }
  write(root, "usr/to-dir/now", 100);
  write(root, "usr/to-file", 100);
  symlinkSync("keep", join(root, "usr/to-link"));
  write(root, "usr/from-link/now", 100);
}

function writeBulk(root: string): void {
  for (let index = 0; index < 20; index += 1) write(root, `usr/bulk/${index}`, 3_000 * index);
}

/** The marker of an opaque directory before and after what its layer has in it. */
function opaqueMarkers(): MadeLayer[] {
  const marked = (root: string): void => {
    write(root, "usr/dir/new", 300);
    write(root, "usr/dir/b", 30);
    write(root, "usr/dir/.wh..wh..opq", 0);
  };
  const [first, last] = [
    ["usr/dir/.wh..wh..opq", "usr/dir/b", "usr/dir/new"],
    ["usr/dir/b", "usr/dir/new", "usr/dir/.wh..wh..opq"],
  ].map((names) => plain(tarOf(marked, { names: ["usr", "usr/dir", ...names] })));
  return [plain(tarOf(writeBase)), first as MadeLayer, plain(tarOf(writeBulk)), last as MadeLayer];
}

/** What each format can hold. */
function formats(): MadeLayer[] {
  const short = (root: string): void => {
    write(root, `usr/${"p".repeat(90)}/${"p".repeat(50)}/${"q".repeat(90)}`, 100);
    write(root, "usr/a", 100);
    linkSync(join(root, "usr/a"), join(root, "usr/b"));
  };
  const within =
    (dir: string, writer: LayerWriter): LayerWriter =>
    (root) =>
      writer(join(root, "usr", dir));
  return [
    plain(tarOf(short, { format: "ustar" })),
    plain(tarOf(within("gnu", writeLongNames), { format: "gnu" })),
    plain(tarOf(within("posix", writeLongNames), { format: "posix" })),
  ];
}

/** A link whose target is in the layer beneath. */
function linkBeneath(): Buffer {
  return tarOf(
    (root) => {
      write(root, "usr/dir/a", 200);
      linkSync(join(root, "usr/dir/a"), join(root, "usr/dir/z"));
    },
    { names: ["usr", "usr/dir", "usr/dir/a", "usr/dir/z"], without: ["usr/dir/a"] },
  );
}
