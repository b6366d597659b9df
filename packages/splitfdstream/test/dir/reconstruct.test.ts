import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type OpenBeneath, reconstructDir } from "../../src/dir/reconstruct.ts";
import type { SplitDirChunk } from "../../src/dir/split-dir-chunk.ts";

const content = Buffer.alloc(700_000, "0123456789abc");
let directory: string;
let openFiles = 0;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "reconstruct-dir-"));
  writeFileSync(join(directory, "file"), content);
});
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => {
  openFiles = 0;
});

const openCounted: OpenBeneath<string> = async (parent, name) => {
  const handle = await open(join(parent, Buffer.from(name).toString()));
  openFiles++;
  return {
    fd: handle.fd,
    close: async () => {
      openFiles--;
      await handle.close();
    },
  };
};
const file = (name: string, size: number, index = 0): SplitDirChunk => ({
  fileBacked: { directory: index, name: Buffer.from(name), size },
});

async function collect(chunks: SplitDirChunk[], signal?: AbortSignal): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of reconstructDir(chunks, [directory], openCounted, { signal })) {
    all.push(piece);
  }
  return Buffer.concat(all);
}

test("exactly the stated bytes are read, and files are closed", async () => {
  const inlineData = Buffer.from("inline");
  const parts = [file("file", content.length), { inlineData }, file("file", 300_000), file("file", 0)];
  expect((await collect(parts)).equals(Buffer.concat([content, inlineData, content.subarray(0, 300_000)]))).toBe(true);
  expect(openFiles).toBe(0);
});

test.each<[string, SplitDirChunk, string]>([
  ["too short", file("file", content.length + 1), "EXTERNAL_TOO_SHORT"],
  ["no such file", file("absent", 1), "FILE_NOT_FOUND"],
  ["no such file, though none of it is wanted", file("absent", 0), "FILE_NOT_FOUND"],
  ["below a file", file("file/below", 1), "FILE_NOT_FOUND"],
  ["no such directory", file("file", 1, 1), "DIRFD_INDEX_OUT_OF_RANGE"],
  ["upwards", file("../file", 1), "INVALID_FILENAME"],
])("%s", async (_, chunk, code) => {
  await expect(collect([chunk])).rejects.toMatchObject({ name: "SplitfdstreamError", code });
  expect(openFiles).toBe(0);
});

test("other errors of opening pass as they are", async () => {
  const refused = Object.assign(new Error("refused"), { code: "EXDEV" });
  const chunks = reconstructDir([file("file", 1)], [directory], () => Promise.reject(refused));
  await expect(chunks.next()).rejects.toBe(refused);
});

test("an abort or an early end closes the file at hand", async () => {
  const controller = new AbortController();
  const chunks = reconstructDir([file("file", content.length)], [directory], openCounted, {
    signal: controller.signal,
  });
  await chunks.next();
  expect(openFiles).toBe(1);
  controller.abort(new Error("enough"));
  await expect(chunks.next()).rejects.toThrow("enough");
  expect(openFiles).toBe(0);
  for await (const _ of reconstructDir([file("file", content.length)], [directory], openCounted)) {
    break;
  }
  expect(openFiles).toBe(0);
});
