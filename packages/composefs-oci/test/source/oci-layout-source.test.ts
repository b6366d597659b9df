import { existsSync, mkdirSync, rmSync, symlinkSync, truncateSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { ZstdFrameWriter } from "@composefs/core";
import { afterEach, describe, expect, test } from "vitest";
import type { Descriptor } from "../../src/image/manifest.ts";
import { pull } from "../../src/pull/pull.ts";
import { openOciDirectory } from "../../src/source/oci-layout-source.ts";
import { ociError } from "../code-of.ts";
import { MemorySource } from "../memory-source.ts";
import { noise, sha256, tar, USR } from "../tar-builder.ts";
import { removeDirectories, tempDirectory } from "../temp-directory.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";

afterEach(async () => {
  await removeRepositories();
  removeDirectories();
});

/** An image of one layer as a layout. */
function layout(archive: Buffer, mediaType: string, refName?: string, blob: Buffer = archive): string {
  const source = new MemorySource();
  const manifest = source.image([{ blob, diffId: sha256(archive), mediaType }]);
  const annotations = refName === undefined ? {} : { "org.opencontainers.image.ref.name": refName };
  return tempDirectory({
    "index.json": JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
    ...Object.fromEntries([...source.blobs].map(([digest, bytes]) => [`blobs/${digest.replace(":", "/")}`, bytes])),
  });
}

function zstd(data: Buffer): Buffer {
  const writer = new ZstdFrameWriter();
  writer.write(data);
  return Buffer.from(writer.finish());
}

test.each([
  ["", (archive: Buffer) => archive],
  ["+gzip", (archive: Buffer) => gzipSync(archive)],
  ["+zstd", zstd],
])("a layer of many pieces, tar%s: none is overwritten before its time", async (suffix, packed) => {
  const files = [100_000, 3_000_000, 1_000_000, 2_500_000, 70].map((size, i) => ({
    name: `f${i}`,
    content: noise(size),
  }));
  const archive = tar([USR, ...files]);
  const path = layout(archive, `application/vnd.oci.image.layer.v1.tar${suffix}`, undefined, packed(archive));
  const repository = await tempRepository();
  expect(await pull(repository, `oci:${path}`)).toMatchObject({ stats: { objectsCopied: files.length } });
  expect(await repository.fsck()).toMatchObject({ ok: true });
});

test("SOURCE_NOT_FOUND lists the tags there are", async () => {
  const path = layout(tar([USR]), "application/vnd.oci.image.layer.v1.tar", "quay.io/app:1");
  const repository = await tempRepository();
  for (const tag of ["nope", ""]) {
    await expect(pull(repository, `oci:${path}:${tag}`)).rejects.toMatchObject(
      ociError("SOURCE_NOT_FOUND", { name: tag, available: ["quay.io/app:1"] }),
    );
  }
  expect((await pull(repository, `oci:${path}:quay.io/app:1`)).changed).toBe(true);
});

test.each([
  ["SOURCE_NOT_FOUND", "oci:/nowhere/at/all:1"],
  ["SOURCE_INVALID", "oci:/dev/null"],
  ["SOURCE_NOT_FOUND", "oci-archive:/nowhere.tar"],
  ["SOURCE_INVALID", "oci-archive:/dev"],
])("%s: %s", async (code, reference) => {
  const repository = await tempRepository();
  await expect(pull(repository, reference)).rejects.toMatchObject({ code });
  expect(existsSync(join(repository.path, "objects"))).toBe(false);
});

test.each(["index.json", "blob"])("SOURCE_INVALID for links that lead to themselves: %s", async (which) => {
  const archive = tar([USR]);
  const path = layout(archive, "application/vnd.oci.image.layer.v1.tar");
  const file = join(path, which === "blob" ? `blobs/sha256/${sha256(archive).slice(7)}` : which);
  rmSync(file);
  symlinkSync(basename(file), file);
  const repository = await tempRepository();
  await expect(pull(repository, `oci:${path}`)).rejects.toMatchObject(ociError("SOURCE_INVALID", { path: file }));
  rmSync(file);
  mkdirSync(file);
  await expect(pull(repository, `oci:${path}`)).rejects.toMatchObject(ociError("SOURCE_INVALID", { path: file }));
});

describe("artifacts about an image", () => {
  const source = new MemorySource();
  const archive = tar([USR]);
  const image = source.image([{ blob: archive, diffId: sha256(archive) }]);
  const artifact = (subject: object): Descriptor => source.artifact("content", subject);
  const signature = artifact(image);
  const ofSignature = artifact(signature);
  const ofOther = artifact({ ...image, digest: sha256("other") });
  const schema1 = source.put(JSON.stringify({ schemaVersion: 1 }), image.mediaType);
  const blobPath = (digest: string): string => `blobs/${digest.replace(":", "/")}`;

  /** A layout that lists these. */
  function listing(manifests: readonly object[]): string {
    return tempDirectory({
      "index.json": JSON.stringify({ schemaVersion: 2, manifests }),
      ...Object.fromEntries([...source.blobs].map(([digest, bytes]) => [blobPath(digest), bytes])),
    });
  }

  test("are those that the layout lists", async () => {
    const index = { ...image, digest: sha256("no such index"), mediaType: "application/vnd.oci.image.index.v1+json" };
    const gone = { ...signature, digest: sha256("gone") };
    const path = listing([signature, signature, ofOther, schema1, index, gone, image, ofSignature]);
    const layoutSource = await openOciDirectory(`oci:${path}`, path);
    expect(await layoutSource.readReferrers?.(image)).toMatchObject([signature]);
    rmSync(join(path, "index.json")); // read once
    expect(await layoutSource.readReferrers?.(signature)).toMatchObject([ofSignature]);
    expect(await layoutSource.readReferrers?.(ofSignature)).toEqual([]);
  });

  test.each([
    ["BLOB_DIGEST_MISMATCH", "cut off", (file: string) => truncateSync(file, 100)],
    [
      "SOURCE_INVALID",
      "as large as no manifest",
      (file: string) => {
        truncateSync(file, 3 * 2 ** 30);
      },
    ],
    [
      "SOURCE_INVALID",
      "a directory",
      (file: string) => {
        rmSync(file);
        mkdirSync(file);
      },
    ],
  ])("%s for one that is %s: it may be about anything", async (code, _, damage) => {
    const path = listing([image, signature, ofOther]);
    damage(join(path, blobPath(ofOther.digest)));
    const layoutSource = await openOciDirectory(`oci:${path}`, path);
    const error = await layoutSource.readReferrers?.(image).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code });
    expect((error as Error).message).toContain(ofOther.digest.slice("sha256:".length));
  });
});
