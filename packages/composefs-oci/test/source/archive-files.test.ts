import { readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, expect, test, vi } from "vitest";
import { openArchive } from "../../src/source/archive-files.ts";
import type { FileSet } from "../../src/source/file-set.ts";
import { type Entry, noise, tar } from "../tar-builder.ts";
import { removeDirectories, tempDirectory } from "../temp-directory.ts";

afterEach(() => {
  vi.unstubAllEnvs();
  removeDirectories();
});

const FILES: readonly Entry[] = [
  { name: "./index.json", content: Buffer.from("{}") },
  { name: "blobs/", type: "5" },
  { name: "blobs/empty" },
  { name: "blobs/a", content: noise(511) },
  { name: "blobs/b", content: noise(600_000) },
  { name: "blobs/c", content: noise(513) },
];

async function contentOf(files: FileSet, name: string): Promise<Buffer | null> {
  const file = await files.open(name);
  if (file === null) return null;
  const pieces: Uint8Array[] = [];
  for await (const piece of file.read()) pieces.push(piece);
  await file.close();
  const bytes = Buffer.concat(pieces);
  expect(file.size).toBe(bytes.length);
  return bytes;
}

async function withArchive<T>(bytes: Uint8Array, use: (files: FileSet) => Promise<T>): Promise<T> {
  const files = (await openArchive(join(tempDirectory({ x: bytes }), "x"))) as FileSet;
  try {
    return await use(files);
  } finally {
    await files.close();
  }
}

test.each<[string, (bytes: Buffer) => Uint8Array]>([
  ["as it is", (bytes) => bytes],
  ["without end blocks", (bytes) => bytes.subarray(0, -1024)],
  ["with padding after them", (bytes) => Buffer.concat([bytes, Buffer.alloc(8192)])],
  ["compressed", (bytes) => gzipSync(bytes)],
])("an archive %s", async (_, change) => {
  const temporary = tempDirectory();
  vi.stubEnv("TMPDIR", temporary);
  await withArchive(change(tar(FILES)), async (files) => {
    for (const { name, content = Buffer.alloc(0), type } of FILES) {
      if (type === "5") await expect(files.open(name)).rejects.toMatchObject({ code: "SOURCE_INVALID" });
      else expect((await contentOf(files, name.replace("./", "")))?.equals(content), name).toBe(true);
    }
    expect(await files.open("nope")).toBeNull();
    // What was unpacked has no name even now.
    expect(readdirSync(temporary).filter((name) => name.startsWith("composefs-"))).toEqual([]);
  });
});

test("the last of several entries with one path counts", async () => {
  const [one, two] = [noise(10), noise(20)];
  await withArchive(
    tar([
      { name: "f", content: one },
      { name: "./f", content: two },
    ]),
    async (files) => {
      expect(await contentOf(files, "f")).toEqual(two);
    },
  );
});

test("links do not lead out", async () => {
  const entries: readonly Entry[] = [
    { name: "etc/passwd", content: Buffer.from("inside") },
    { name: "a/link", type: "2", link: "../../../../etc/passwd" },
    { name: "a/absolute", type: "2", link: "/etc/passwd" },
  ];
  await withArchive(tar(entries), async (files) => {
    expect((await contentOf(files, "a/link"))?.toString()).toBe("inside");
    expect((await contentOf(files, "a/absolute"))?.toString()).toBe("inside");
  });
});

test.each<[string, Buffer]>([
  ["damaged gzip", gzipSync(tar(FILES)).fill(0xff, 1000, 1100)],
  ["gzip cut short", gzipSync(tar(FILES)).subarray(0, -5)],
  ["a header cut short", tar(FILES).subarray(0, 100)],
  ["a wrong checksum", tar(FILES).fill("8", 0, 1)],
])("SOURCE_INVALID: %s", async (_, bytes) => {
  await expect(withArchive(bytes, async () => undefined)).rejects.toMatchObject({ code: "SOURCE_INVALID" });
});

test("no file, no archive", async () => expect(await openArchive(join(tempDirectory(), "nope"))).toBeNull());
