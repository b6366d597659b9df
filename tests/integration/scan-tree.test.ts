import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scanDirectory } from "../../packages/composefs/src/scan/scan-directory.ts";
import { type PlainEntry, plainTree } from "../../packages/composefs/test/support/plain-tree.ts";
import { requires } from "../support/capabilities.ts";
import { run } from "../support/run.ts";
import { layOut, walkIndependently } from "./scan-lay-out.ts";

const base = mkdtempSync(join(tmpdir(), "cfs-scan-"));
const root = join(base, "tree");

const DEFAULTS = { mode: "644", uid: 0, gid: 0, mtime: "1700000000s 123456789ns", xattrs: {} };
const node = (path: string, content: PlainEntry["content"], stat: Partial<typeof DEFAULTS> = {}): PlainEntry => ({
  path,
  stat: { ...DEFAULTS, ...stat },
  content,
});
const directory = (path: string, stat: Partial<typeof DEFAULTS> = {}): PlainEntry =>
  node(path, { kind: "directory" }, { mode: "755", ...stat });
const file = (path: string, size: number, stat: Partial<typeof DEFAULTS> = {}): PlainEntry =>
  node(path, size <= 64 ? { kind: "inline", bytes: "\xff".repeat(size) } : { kind: "external", size: `${size}` }, stat);
const SIZES = [0, 1, 63, 64, 65, 511, 4095, 4096, 4097, 8192, 65_537, 3_000_000, 1_048_577];

function everyKind(): PlainEntry[] {
  const deep = Array.from({ length: 80 }, (_, i) => directory(`/deep${"/d".repeat(i + 1)}`));
  return [
    directory("/", { mode: "711", uid: 70_000, gid: 5, mtime: "-5s 999999999ns" }),
    directory("/empty", { mode: "1777" }),
    directory("/files"),
    ...SIZES.map((size) => file(`/files/size-${size}`, size)),
    directory("/wide"),
    // More than one range of entries, and among them files that make a thread leave the rest to others.
    ...Array.from({ length: 300 }, (_, i) => file(`/wide/${i}`, i % 50 === 7 ? 1_100_000 + i : i)),
    directory("/deep"),
    ...deep,
    node("/char", { kind: "char", rdev: "259" }, { mode: "666" }),
    node("/whiteout", { kind: "char", rdev: "0" }),
    // Major 7, minor 300: the minor number is on both sides of the major's.
    node("/block", { kind: "block", rdev: `${(300 & 0xff) + 7 * 256 + (300 - (300 & 0xff)) * 4096}` }),
    node("/fifo", { kind: "fifo" }, { xattrs: { "trusted.on-fifo": "a" } }),
    node("/socket", { kind: "socket" }),
    node("/link-\xff\xfe", { kind: "symlink", target: "\xc0\xaf/nowhere" }, { mode: "777" }),
    node("/labelled", { kind: "symlink", target: "x" }, { mode: "777", xattrs: { "trusted.l": "\x00\xff" } }),
    file("/setuid", 100, { mode: "4755", uid: 1000, gid: 1001, xattrs: { "user.big": "v".repeat(3000) } }),
    file("/unreadable", 200, { mode: "0" }),
    file("/new\nline \x01", 3, { xattrs: { "user.same": "s" } }),
    directory("/also", { xattrs: { "user.same": "s", "trusted.overlay.opaque": "y" } }),
    { ...file("/also/setuid", 100), linkTo: "/setuid" },
    { ...node("/also/fifo", { kind: "fifo" }), linkTo: "/fifo" },
    { ...node("/also/link", { kind: "symlink", target: "x" }), linkTo: "/labelled" },
    { ...node("/also/whiteout", { kind: "char", rdev: "0" }), linkTo: "/whiteout" },
  ];
}

/** Without what Python cannot know, but with a check that it is there. */
function withoutIds(entries: readonly PlainEntry[]): PlainEntry[] {
  return entries.map((entry) => {
    const { id, ...content } = entry.content;
    if (content.kind === "external") expect(id).toMatch(/^[0-9a-f]{64}$/);
    return { ...entry, content };
  });
}

describe.skipIf(requires("root") !== null)("a tree with nodes of every kind", () => {
  beforeAll(() => {
    mkdirSync(root);
    layOut(root, everyKind());
  });
  afterAll(() => {
    rmSync(base, { recursive: true, force: true });
  });

  test("is read as an independent walk reads it", async () => {
    const scanned = plainTree(await scanDirectory(root, { hash: "sha256" }));
    expect(withoutIds(scanned)).toEqual(walkIndependently(root));
    expect(scanned.length).toBe(everyKind().length);
  });

  test("gives the digests that fsverity computes", async () => {
    const scanned = plainTree(await scanDirectory(root, { hash: "sha512" }));
    const external = scanned.filter(({ content }) => content.kind === "external");
    expect(external.length).toBeGreaterThan(200);
    const paths = external.map(({ path }) => Buffer.from(`${root}${path}`, "latin1").toString());
    const lines = run("fsverity", ["digest", "--hash-alg=sha512", "--compact", ...paths]).split("\n");
    expect(external.map(({ content }) => content.id)).toEqual(lines);
  });

  test("crosses mount points", async () => {
    const place = join(root, "empty");
    run("mount", ["-t", "tmpfs", "-o", "mode=0751", "none", place]);
    try {
      run("python3", ["-c", "import sys; open(sys.argv[1], 'w').write('x')", join(place, "inside")]);
      const scanned = plainTree(await scanDirectory(root, { hash: "sha256" }));
      expect(withoutIds(scanned)).toEqual(walkIndependently(root));
      expect(scanned.find(({ path }) => path === "/empty/inside")).toBeDefined();
      expect(statSync(place).mode & 0o777).toBe(0o751);
    } finally {
      run("umount", [place]);
    }
  });

  test("is the same while other threads read other trees", async () => {
    const scans = await Promise.all(Array.from({ length: 6 }, () => scanDirectory(root, { hash: "sha256" })));
    const [first, ...others] = scans.map(plainTree);
    for (const other of others) expect(other).toEqual(first);
  });
});
