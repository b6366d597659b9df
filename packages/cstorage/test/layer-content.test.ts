import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import type { LayerBatch } from "../src/layer-batch.ts";
import { type LayerContent, type LayerParts, openLayerContent } from "../src/layer-content.ts";
import { openFds, removeTempDirs, tempDir } from "./store-dir.ts";
import { fileLine, headerOf, segmentLine } from "./tar-split-builder.ts";

afterEach(removeTempDirs);

/** A layer with this as its tar-split file; closing counts in `released`. */
function contentOf(gz: Uint8Array, parts: Partial<LayerParts> = {}): LayerContent & { released: number } {
  const file = join(tempDir(), "tar-split.gz");
  writeFileSync(file, gz);
  const fd = openSync(file, "r");
  const state = { released: 0 };
  const release = (): void => {
    state.released++;
    closeSync(fd);
  };
  const content = openLayerContent({
    id: "layer",
    diffId: "sha256:x",
    uncompressedSize: null,
    dirs: [],
    tarSplit: { fd, file },
    release,
    ...parts,
  });
  return Object.defineProperty(content, "released", { get: () => state.released }) as unknown as LayerContent & {
    released: number;
  };
}

async function readAll(content: LayerContent): Promise<LayerBatch[]> {
  const batches: LayerBatch[] = [];
  try {
    for await (const batch of content.batches()) batches.push(batch);
  } finally {
    await content.close();
  }
  return batches;
}

const pair = (i: number): string => segmentLine(headerOf()) + fileLine(`file-${i}`, 100);
const pairs = (count: number): string => Array.from({ length: count }, (_, i) => pair(i)).join("");
const countFiles = (batches: readonly LayerBatch[]): number =>
  batches.reduce((sum, { files }) => sum + files.length, 0);

test("gives every file once, in order, in more than one batch", async () => {
  const batches = await readAll(contentOf(gzipSync(pairs(3000))));
  expect(batches.length).toBeGreaterThan(3);
  const names = batches.flatMap(({ files }) => files.map(({ name }) => Buffer.from(name).toString()));
  expect(names).toEqual(Array.from({ length: 3000 }, (_, i) => `file-${i}`));
  let next = 0;
  for (const { chunks, files, firstFile } of batches) {
    expect(firstFile).toBe(next);
    const external = chunks.flatMap((chunk) => ("external" in chunk ? [chunk.external] : []));
    expect(external).toEqual(files.map((_, i) => firstFile + i));
    next += files.length;
  }
});

test("can be read twice, also side by side", async () => {
  const content = contentOf(gzipSync(pairs(1500)));
  const read = async (): Promise<number> => {
    let files = 0;
    for await (const batch of content.batches()) files += batch.files.length;
    return files;
  };
  expect(await Promise.all([read(), read()])).toEqual([1500, 1500]);
  expect(await read()).toBe(1500);
  await content.close();
});

describe("gzip", () => {
  const whole = gzipSync(pairs(2000));
  const split = Math.floor(pairs(10).length / 2);

  test("several members, cut within a line", async () => {
    const text = pairs(10);
    const gz = Buffer.concat([gzipSync(text.slice(0, split)), gzipSync(""), gzipSync(text.slice(split))]);
    expect(countFiles(await readAll(contentOf(gz)))).toBe(10);
  });

  test("an empty archive", async () => {
    expect(await readAll(contentOf(gzipSync("")))).toEqual([]);
  });

  test.each<[name: string, gz: Uint8Array]>([
    ["an empty file", Buffer.alloc(0)],
    ["no gzip", Buffer.from(pairs(1))],
    ["a cut header", whole.subarray(0, 5)],
    ["a cut body", whole.subarray(0, whole.length >> 1)],
    ["a cut trailer", whole.subarray(0, -1)],
    ["a cut second member", Buffer.concat([whole, whole.subarray(0, 40)])],
    ["bytes behind", Buffer.concat([whole, Buffer.from("x")])],
    ["zeros behind", Buffer.concat([whole, Buffer.alloc(512)])],
    ["a changed byte", whole.map((byte, i) => (i === whole.length - 6 ? byte ^ 1 : byte))],
  ])("refuses %s", async (_, gz) => {
    const before = openFds();
    await expect(readAll(contentOf(gz))).rejects.toMatchObject({ code: "TAR_SPLIT_CORRUPT" });
    expect(openFds()).toBe(before);
  });
});

test.each<[size: number | null, code: string | null]>([
  [null, null],
  [3 * 612, null],
  [3 * 612 - 1, "DIFF_ID_MISMATCH"],
  [3 * 612 + 1, "DIFF_ID_MISMATCH"],
  [0, "DIFF_ID_MISMATCH"],
])("a tar of 1836 bytes where the store says %s: %s", async (uncompressedSize, code) => {
  const reading = readAll(contentOf(gzipSync(pairs(3)), { uncompressedSize }));
  if (code === null) expect(countFiles(await reading)).toBe(3);
  else {
    await expect(reading).rejects.toMatchObject({ code, details: { expected: uncompressedSize, actual: 1836 } });
  }
});

test("stops at the limit of decompressed bytes", async () => {
  const text = pairs(5000);
  const gz = gzipSync(text);
  expect(countFiles(await readAll(contentOf(gz, { maxMetadataBytes: text.length })))).toBe(5000);
  await expect(readAll(contentOf(gz, { maxMetadataBytes: text.length - 1 }))).rejects.toMatchObject({
    code: "TAR_SPLIT_CORRUPT",
    details: { limit: text.length - 1 },
  });
});

describe("ends early", () => {
  const gz = gzipSync(pairs(20_000), { level: 1 });

  test("before it begins, when already aborted", async () => {
    const content = contentOf(gz);
    const batches = content.batches({ signal: AbortSignal.abort(new Error("enough")) });
    await expect(batches.next()).rejects.toThrow("enough");
    await content.close();
  });

  test("with the signal's reason", async () => {
    const content = contentOf(gz);
    const aborter = new AbortController();
    let batches = 0;
    const reading = (async () => {
      for await (const _ of content.batches({ signal: aborter.signal })) {
        if (++batches === 2) aborter.abort(new Error("enough"));
      }
    })();
    await expect(reading).rejects.toThrow("enough");
    expect(batches).toBe(2);
    await content.close();
    expect(content.released).toBe(1);
  });

  test("when the consumer leaves the loop", async () => {
    const before = openFds();
    const content = contentOf(gz);
    for await (const batch of content.batches()) if (batch.files.length > 0) break;
    await content.close();
    await content.close();
    expect(content.released).toBe(1);
    expect(openFds()).toBe(before);
  });

  test("when closed between batches, and cannot be read again", async () => {
    const content = contentOf(gz);
    const batches = content.batches();
    await batches.next();
    await content.close();
    expect(content.released).toBe(1);
    await expect(batches.next()).rejects.toThrow("closed");
    await expect(content.batches().next()).rejects.toThrow("closed");
  });

  test("when closed while a batch is awaited", async () => {
    const content = contentOf(gz);
    const batches = content.batches();
    const pending = batches.next().then(
      () => "batch",
      () => "error",
    );
    await content[Symbol.asyncDispose]();
    expect(content.released).toBe(1);
    expect(await pending).toBe("error");
    await expect(batches.next()).resolves.toMatchObject({ done: true });
  });
});
