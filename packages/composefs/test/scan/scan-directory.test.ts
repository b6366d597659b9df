import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KernelError, ObjectStore, verityDigest } from "@composefs/reflink";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { objectPath } from "../../src/fsverity/object-id.ts";
import { scanDirectory } from "../../src/scan/scan-directory.ts";
import { type ByteString, type Directory, isDirectory, type Leaf, sortedEntries } from "../../src/tree/node.ts";
import { plainTree } from "../support/plain-tree.ts";

const base = mkdtempSync(join(tmpdir(), "cfs-scan-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const root = join(base, "tree");
beforeAll(() => {
  mkdirSync(join(root, "dir/below"), { recursive: true });
  mkdirSync(join(root, "many"));
  for (let i = 0; i < 200; i++) writeFileSync(join(root, `many/${i}`), Buffer.alloc(i * 40, i));
  writeFileSync(join(root, "small"), "x".repeat(64));
  writeFileSync(join(root, "large"), "x".repeat(65));
  linkSync(join(root, "large"), join(root, "dir/below/again"));
  symlinkSync("../large", join(root, "dir/link"));
  symlinkSync(root, join(base, "link-to-tree"));
});

function leafAt(tree: Directory, ...names: readonly string[]): Leaf {
  let node: Directory | Leaf | undefined = tree;
  for (const name of names) node = node && isDirectory(node) ? node.entries.get(name as ByteString) : undefined;
  return node as Leaf;
}

describe("scanDirectory", () => {
  test("keeps files of up to 64 bytes and names the larger ones", async () => {
    const tree = await scanDirectory(root, { hash: "sha256" });
    expect(leafAt(tree, "small").content).toEqual({ kind: "inline", bytes: Buffer.from("x".repeat(64)) });
    const id = Buffer.from(verityDigest(Buffer.from("x".repeat(65)), "sha256")).toString("hex");
    expect(leafAt(tree, "large").content).toEqual({ kind: "external", id, size: 65n });
  });

  test("makes names of one inode one leaf", async () => {
    const tree = await scanDirectory(root, { hash: "sha256" });
    expect(leafAt(tree, "dir", "below", "again")).toBe(leafAt(tree, "large"));
  });

  test("hands entries over in bytewise order", async () => {
    const many = leafAt(await scanDirectory(root, { hash: "sha256" }), "many") as unknown as Directory;
    expect([...many.entries]).toEqual(sortedEntries(many));
  });

  test.each(["sha256", "sha512"] as const)("computes the %s digests of files of any size", async (hash) => {
    const tree = await scanDirectory(root, { hash });
    for (let i = 2; i < 200; i++) {
      const bytes = Buffer.alloc(i * 40, i);
      const id = Buffer.from(verityDigest(bytes, hash)).toString("hex");
      expect(leafAt(tree, "many", `${i}`).content).toEqual({ kind: "external", id, size: BigInt(bytes.length) });
    }
  });

  test.each([
    ["bytes", Buffer.from(root)],
    ["a trailing slash", `${root}/`],
    ["a symlink and a slash", join(base, "link-to-tree/")],
  ])("takes a path as %s", async (_, path) => {
    expect(plainTree(await scanDirectory(path, { hash: "sha256" }))).toEqual(
      plainTree(await scanDirectory(root, { hash: "sha256" })),
    );
  });

  test.each([
    ["a symlink", "link-to-tree", "ENOTDIR"],
    ["a file", "tree/small", "ENOTDIR"],
    ["nothing", "missing", "ENOENT"],
  ])("refuses %s as root", async (_, name, code) => {
    const path = join(base, name);
    await expect(scanDirectory(path, { hash: "sha256" })).rejects.toMatchObject({ code, path });
  });

  test("refuses a store of another hash", async () => {
    const fd = openSync(base, "r");
    const store = new ObjectStore({ objectsFd: fd, hash: "sha512", verity: false });
    await expect(scanDirectory(root, { hash: "sha256", store })).rejects.toThrow(TypeError);
    closeSync(fd);
  });

  test("stops when its signal is aborted", async () => {
    const reason = new Error("enough");
    await expect(scanDirectory(root, { hash: "sha256", signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const scan = scanDirectory(root, { hash: "sha256", signal: controller.signal });
    controller.abort(reason);
    await expect(scan).rejects.toBe(reason);
  });

  test("a file shorter than its size is an error", async () => {
    // sysfs claims a page for files of a few bytes.
    await expect(scanDirectory("/sys/class/net/lo/statistics", { hash: "sha256" })).rejects.toMatchObject({
      code: "FILE_CHANGED",
      details: { path: expect.stringMatching(/^\/sys\/class\/net\/lo\/statistics\/\w+$/), expected: 4096 },
    });
  });
});

describe("scanDirectory with a store", () => {
  test.each(["sha256", "sha512"] as const)(
    "makes the same tree and an object of each larger file (%s)",
    async (hash) => {
      const objects = join(base, `objects-${hash}`);
      mkdirSync(objects);
      const fd = openSync(objects, "r");
      try {
        const store = new ObjectStore({ objectsFd: fd, hash, verity: false });
        const tree = await scanDirectory(root, { hash, store });
        expect(plainTree(tree)).toEqual(plainTree(await scanDirectory(root, { hash })));
        for (let i = 2; i < 200; i++) {
          const { content } = leafAt(tree, "many", `${i}`);
          if (content.kind !== "external") throw new Error(`many/${i} is ${content.kind}`);
          expect(readFileSync(join(objects, objectPath(content.id)))).toEqual(Buffer.alloc(i * 40, i));
        }
        // Once more: everything is there already.
        expect(plainTree(await scanDirectory(root, { hash, store }))).toEqual(plainTree(tree));
      } finally {
        closeSync(fd);
      }
    },
  );

  test("tells which file could not be stored", async () => {
    const fd = openSync(join(base, "tree/small"), "r");
    try {
      const store = new ObjectStore({ objectsFd: fd, hash: "sha256", verity: false });
      const error = await scanDirectory(join(root, "many"), { hash: "sha256", store }).catch(
        (caught: unknown) => caught,
      );
      expect(error).toBeInstanceOf(KernelError);
      expect(error).toMatchObject({ code: "ENOTDIR", path: expect.stringContaining(`${root}/many/`) });
    } finally {
      closeSync(fd);
    }
  });
});

describe.skipIf(process.geteuid?.() !== 0)("without permission", () => {
  const locked = join(base, "locked");
  const asNobody = async (path: string): Promise<unknown> => {
    process.seteuid?.(65534);
    try {
      return await scanDirectory(path, { hash: "sha256" }).catch((error: unknown) => error);
    } finally {
      process.seteuid?.(0);
    }
  };
  beforeAll(() => {
    mkdirSync(join(locked, "file/a/b"), { recursive: true });
    mkdirSync(join(locked, "directory/a/b"), { recursive: true, mode: 0o755 });
    mkdirSync(join(locked, "directory/a/b/c"), { mode: 0o700 });
    writeFileSync(join(locked, "file/a/b/c"), "secret", { mode: 0o600 });
    chmodSync(base, 0o755);
  });

  test.each(["file", "directory"])("an unreadable %s ends the scan and is named", async (kind) => {
    const error = await asNobody(join(locked, kind));
    expect(error).toMatchObject({ code: "EACCES", syscall: "openat", path: join(locked, kind, "a/b/c") });
  });
});
