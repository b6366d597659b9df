import { rmSync } from "node:fs";
import { join } from "node:path";
import { objectPath } from "@composefs/core";
import { afterEach, describe, expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import { storeBlobLayer } from "../../src/layer/blob-layer.ts";
import { importLayer, type TarLayerOptions } from "../../src/layer/import-layer.ts";
import { layerTar } from "../../src/layer/layer-tar.ts";
import { ociError } from "../code-of.ts";
import { chunked, header, noise, sha256, tar } from "../tar-builder.ts";
import { names, objectFiles, readOnlyTwin, removeRepositories, state, tempRepository } from "../temp-repository.ts";

afterEach(removeRepositories);

const MIB = 2 ** 20;
const SIZES = [0, 1, 63, 64, 65, 511, 512, 513, MIB, MIB + 1, 5 * MIB];
const ARCHIVE = tar(SIZES.map((size) => ({ name: `file-${size}`, content: noise(size) })));
const DIFF_ID = sha256(ARCHIVE);
const OTHER = sha256("something else");

async function read(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

test.each([511, 65_536, ARCHIVE.length])("files of all sizes, in chunks of %i", async (size) => {
  const repository = await tempRepository();
  const { id, stats, changed } = await importLayer(repository, DIFF_ID, chunked(ARCHIVE, size));
  expect(changed).toBe(true);
  const external = SIZES.filter((bytes) => bytes > 64);
  const bytesCopied = external.reduce((sum, bytes) => sum + bytes, 0);
  expect(stats).toMatchObject({
    layers: 1,
    layersAlreadyPresent: 0,
    objectsCopied: external.length,
    bytesCopied,
    bytesInlined: ARCHIVE.length - bytesCopied,
  });
  const stream = await repository.openStream(`oci-layer-${DIFF_ID}`);
  expect(stream).toMatchObject({ id, type: "ocilayer", size: ARCHIVE.length });
  expect(stream.objectRefs).toHaveLength(external.length);
  expect(Buffer.compare(await read(layerTar(repository, DIFF_ID)), ARCHIVE)).toBe(0);
});

test.each<[string, Buffer]>([
  ["nothing at all", Buffer.alloc(0)],
  ["only the end", Buffer.alloc(1024)],
  ["no end", ARCHIVE.subarray(0, -1024)],
  ["bytes after the end", Buffer.concat([ARCHIVE, noise(1000)])],
  ["content of a directory", tar([{ name: "d/", type: "5", content: noise(100) }])],
  ["the same content twice", tar(["a", "b"].map((name) => ({ name, content: Buffer.alloc(2 * MIB) })))],
])("a tar with %s comes back", async (_, archive) => {
  const repository = await tempRepository();
  await importLayer(repository, sha256(archive), chunked(archive));
  expect(Buffer.compare(await read(layerTar(repository, sha256(archive))), archive)).toBe(0);
});

test("more files than a batch holds", async () => {
  const archive = tar(
    Array.from({ length: 1500 }, (_, i) => ({ name: `f${i}`, content: Buffer.alloc(65, `${i % 20}`) })),
  );
  const repository = await tempRepository();
  const { stats } = await importLayer(repository, sha256(archive), chunked(archive));
  expect(stats.objectsCopied + stats.objectsAlreadyPresent).toBe(1500);
  expect(Buffer.compare(await read(layerTar(repository, sha256(archive))), archive)).toBe(0);
});

describe("nothing is named", () => {
  const truncated = [1, 511, 513, 1024 + 100, 2048 + 30].map((size): [string, Buffer] => [
    `cut at ${size}`,
    ARCHIVE.subarray(0, size),
  ]);
  const big = header("big", 3 * MIB, "0");
  test.each<[string, string, Buffer]>([
    ["DIFF_ID_MISMATCH", "another tar", tar([{ name: "x", content: noise(2 * MIB) }])],
    ["DIFF_ID_MISMATCH", "no tar bytes", Buffer.alloc(0)],
    ...truncated.map(([what, bytes]): [string, string, Buffer] => ["TAR_MALFORMED", what, bytes]),
    ["TAR_MALFORMED", "a large file cut", Buffer.concat([big, noise(2 * MIB)])],
    ["TAR_MALFORMED", "9 GiB announced", header("huge", 0o77777777777, "0")],
    ["INVALID_NUMBER", "no tar", Buffer.alloc(4096, 0x55)],
    ["CHECKSUM_MISMATCH", "a header changed", Buffer.from(header("x", 0, "0")).fill("y", 0, 1)],
  ])("%s: %s", async (code, _, bytes) => {
    const repository = await tempRepository();
    const details = code === "DIFF_ID_MISMATCH" ? { expected: OTHER } : { layer: OTHER, offset: expect.any(Number) };
    await expect(importLayer(repository, OTHER, chunked(bytes))).rejects.toMatchObject(ociError(code, details));
    expect(names(repository)).toEqual({});
  });

  test("a wrong digest leaves only objects without a name", async () => {
    const repository = await tempRepository();
    await expect(importLayer(repository, OTHER, chunked(ARCHIVE))).rejects.toMatchObject(ociError("DIFF_ID_MISMATCH"));
    expect(names(repository)).toEqual({});
    expect(objectFiles(repository)).toHaveLength(SIZES.filter((size) => size > 64).length);
  });

  test.each([0, 1, 3, 40])("aborted after %i chunks", async (count) => {
    const repository = await tempRepository();
    const controller = new AbortController();
    const reason = new Error("enough");
    let closed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        let chunks = 0;
        for await (const chunk of chunked(ARCHIVE)) {
          if (chunks++ === count) controller.abort(reason);
          yield chunk;
        }
      } finally {
        closed = true;
      }
    }
    await expect(importLayer(repository, DIFF_ID, source(), { signal: controller.signal })).rejects.toBe(reason);
    expect(names(repository)).toEqual({});
    expect(closed).toBe(true);
  });

  test("the source fails", async () => {
    const repository = await tempRepository();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield ARCHIVE.subarray(0, 2 * MIB);
      throw new Error("connection lost");
    }
    await expect(importLayer(repository, DIFF_ID, source())).rejects.toThrow("connection lost");
    expect(names(repository)).toEqual({});
  });

  test.each(["", "/abs", "a/../b", "a//b", "."])("the ref '%s' is refused before the tar is read", async (name) => {
    const repository = await tempRepository();
    const before = state(repository);
    async function* source(): AsyncGenerator<Uint8Array> {
      yield expect.unreachable();
    }
    await expect(importLayer(repository, DIFF_ID, source(), { name })).rejects.toMatchObject({ code: "REF_INVALID" });
    expect(state(repository)).toEqual(before);
  });

  test("the repository is read-only", async () => {
    const repository = await readOnlyTwin(await tempRepository());
    await expect(importLayer(repository, DIFF_ID, chunked(ARCHIVE))).rejects.toMatchObject({ code: "REPO_READ_ONLY" });
    expect(objectFiles(repository)).toEqual([]);
  });
});

test("verify: false takes any tar, but it must be one", async () => {
  const repository = await tempRepository();
  const options: TarLayerOptions = { verify: false };
  await importLayer(repository, OTHER, chunked(ARCHIVE), options);
  expect(Object.keys(names(repository))).toEqual([`oci-layer-${OTHER}`]);
  await expect(importLayer(repository, DIFF_ID, chunked(ARCHIVE.subarray(1)), options)).rejects.toMatchObject({
    code: "CHECKSUM_MISMATCH",
  });
});

test("a name is given beneath refs", async () => {
  const repository = await tempRepository();
  await importLayer(repository, DIFF_ID, chunked(ARCHIVE), { name: "my/layer" });
  expect(names(repository)["refs/my/layer"]).toBe(`../../oci-layer-${DIFF_ID}`);
});

describe("a layer that is there", () => {
  test("is kept, and the tar checked", async () => {
    const repository = await tempRepository();
    const first = await importLayer(repository, DIFF_ID, chunked(ARCHIVE));
    const before = state(repository);
    const again = await importLayer(repository, DIFF_ID, chunked(ARCHIVE));
    expect(again).toMatchObject({
      id: first.id,
      changed: false,
      stats: { layers: 1, layersAlreadyPresent: 1, objectsAlreadyPresent: 7, objectsCopied: 0, bytesInlined: 0 },
    });
    await expect(importLayer(repository, DIFF_ID, chunked(Buffer.alloc(512)))).rejects.toMatchObject(
      ociError("DIFF_ID_MISMATCH"),
    );
    expect(await importLayer(repository, DIFF_ID, chunked(Buffer.alloc(512)), { verify: false })).toMatchObject({
      id: first.id,
    });
    expect(state(repository)).toEqual(before);
  });

  test.each<[string, (path: string, refs: readonly string[], id: string) => string]>([
    ["an object", (path, refs) => join(path, "objects", objectPath(refs[0] as Parameters<typeof objectPath>[0]))],
    ["its splitstream", (path, _, id) => join(path, "objects", objectPath(id as Parameters<typeof objectPath>[0]))],
    ["its name", (path) => join(path, "streams", `oci-layer-${DIFF_ID}`)],
  ])("but lost %s is imported again", async (_, victim) => {
    const repository = await tempRepository();
    const { id } = await importLayer(repository, DIFF_ID, chunked(ARCHIVE));
    const { objectRefs } = await repository.openStream(`oci-layer-${DIFF_ID}`);
    const before = state(repository);
    rmSync(victim(repository.path, objectRefs, id));
    expect(state(repository)).not.toEqual(before);
    expect((await importLayer(repository, DIFF_ID, chunked(ARCHIVE))).id).toBe(id);
    expect(state(repository)).toEqual(before);
  });

  test("as a blob of an artifact becomes a tar", async () => {
    const repository = await tempRepository();
    const blob = await storeBlobLayer(repository, DIFF_ID, chunked(ARCHIVE));
    await repository.publish({ streams: [{ contentId: `oci-layer-${DIFF_ID}`, id: blob.id }] });
    const layer = await importLayer(repository, DIFF_ID, chunked(ARCHIVE));
    expect(layer).toMatchObject({ changed: true, stats: { layersAlreadyPresent: 0 } });
    expect((await repository.openStream(`oci-layer-${DIFF_ID}`)).type).toBe("ocilayer");
  });
});

test("a digest of another algorithm is checked by it", async () => {
  const repository = await tempRepository();
  const wrong = `sha512:${"0".repeat(128)}` as OciDigest;
  await expect(importLayer(repository, wrong, chunked(ARCHIVE))).rejects.toMatchObject(
    ociError("DIFF_ID_MISMATCH", { actual: expect.stringMatching(/^sha512:[0-9a-f]{128}$/) }),
  );
});
