import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { contentType, objectPath, type Repository } from "@composefs/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { storeBlobLayer } from "../../src/layer/blob-layer.ts";
import { importLayer } from "../../src/layer/import-layer.ts";
import { layerTar, summarizeLayer } from "../../src/layer/layer-tar.ts";
import { ociError } from "../code-of.ts";
import { chunked, header, noise, sha256, tar } from "../tar-builder.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";

let repository: Repository;
beforeEach(async () => {
  repository = await tempRepository();
});
afterEach(removeRepositories);

const CONTENT = noise(1000);
const ARCHIVE = tar([
  { name: "a", content: CONTENT },
  { name: "b", content: CONTENT },
  { name: "c", content: noise(10) },
  { name: "d/", type: "5" },
]);
const DIFF_ID = sha256(ARCHIVE);

async function drain(bytes: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const piece of bytes) size += piece.length;
  return size;
}

test("figures of a layer", async () => {
  const { id } = await importLayer(repository, DIFF_ID, chunked(ARCHIVE));
  expect(await summarizeLayer(repository, DIFF_ID)).toEqual({
    diffId: DIFF_ID,
    verity: id,
    size: ARCHIVE.length,
    entryCount: 4,
    splitstream: { externalObjects: 1, externalSize: 2000, inlineSize: ARCHIVE.length - 2000 },
  });
});

test("LAYER_NOT_FOUND", async () => {
  const expected = ociError("LAYER_NOT_FOUND", { diffId: DIFF_ID });
  await expect(drain(layerTar(repository, DIFF_ID))).rejects.toMatchObject(expected);
  await expect(summarizeLayer(repository, DIFF_ID)).rejects.toMatchObject(expected);
});

test("LAYER_UNSUPPORTED: a blob", async () => {
  const { id } = await storeBlobLayer(repository, DIFF_ID, chunked(ARCHIVE));
  await repository.publish({ streams: [{ contentId: `oci-layer-${DIFF_ID}`, id }] });
  await expect(drain(layerTar(repository, DIFF_ID))).rejects.toMatchObject(ociError("LAYER_UNSUPPORTED"));
});

test.each(["D", "V", "Z"])("LAYER_UNSUPPORTED: an entry of type %s can be read, not summarized", async (type) => {
  const archive = tar([{ name: "odd", type, content: noise(100) }]);
  await importLayer(repository, sha256(archive), chunked(archive));
  await expect(summarizeLayer(repository, sha256(archive))).rejects.toMatchObject(
    ociError("LAYER_UNSUPPORTED", { path: "odd", offset: 0, typeflag: type.charCodeAt(0) }),
  );
  expect(await drain(layerTar(repository, sha256(archive)))).toBe(archive.length);
});

test("TAR_MALFORMED with the layer: a splitstream that is no tar", async () => {
  const stream = repository.createStream(contentType("ocilayer"));
  stream.inline(header("f", 1000, "0"));
  const id = await repository.objects.put(stream.finish(), "test");
  await repository.publish({ streams: [{ contentId: `oci-layer-${DIFF_ID}`, id }] });
  await expect(summarizeLayer(repository, DIFF_ID)).rejects.toMatchObject(
    ociError("TAR_MALFORMED", { layer: DIFF_ID }),
  );
});

test("OBJECT_CORRUPT: content that was changed", async () => {
  await importLayer(repository, DIFF_ID, chunked(ARCHIVE));
  const [object] = (await repository.openStream(`oci-layer-${DIFF_ID}`)).objectRefs;
  writeFileSync(join(repository.path, "objects", objectPath(object as NonNullable<typeof object>)), noise(1000));
  await expect(drain(layerTar(repository, DIFF_ID))).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
});
