import { rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { objectPath, type Repository } from "@composefs/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { storeBlobLayer } from "../../src/layer/blob-layer.ts";
import { findLayer } from "../../src/layer/find-layer.ts";
import { importLayer } from "../../src/layer/import-layer.ts";
import { chunked, noise, sha256, tar } from "../tar-builder.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";

const ARCHIVE = tar(["a", "b"].map((name) => ({ name, content: noise(100) })));
const DIFF_ID = sha256(ARCHIVE);
const NAME = `oci-layer-${DIFF_ID}`;

let repository: Repository;
beforeEach(async () => {
  repository = await tempRepository();
});
afterEach(removeRepositories);

test("a layer and what it has", async () => {
  expect(await findLayer(repository, DIFF_ID, "tar")).toBeNull();
  const { id } = await importLayer(repository, DIFF_ID, chunked(ARCHIVE));
  expect(await findLayer(repository, DIFF_ID, "tar")).toEqual({ id, objects: 2, size: ARCHIVE.length });
});

test("a blob is no tar", async () => {
  const { id } = await storeBlobLayer(repository, DIFF_ID, chunked(ARCHIVE));
  await repository.publish({ streams: [{ contentId: NAME, id }] });
  expect(await findLayer(repository, DIFF_ID, "tar")).toBeNull();
  expect(await findLayer(repository, DIFF_ID, "any")).toMatchObject({ id });
});

test.each<[string, (link: string, file: (id: string) => string) => Promise<void>]>([
  ["a link elsewhere", async (link) => relink(link, "../../../etc/passwd")],
  ["a link to no object", async (link) => relink(link, "../objects/zz/zz")],
  ["an object that is gone", async (link) => relink(link, `../objects/00/${"0".repeat(62)}`)],
  [
    "a splitstream with another content",
    async (_, file) => {
      const { id } = await repository.openStream(NAME);
      writeFileSync(file(id), noise(100));
    },
  ],
  [
    "an object missing",
    async (_, file) => {
      const [first] = (await repository.openStream(NAME)).objectRefs;
      rmSync(file(first as string));
    },
  ],
])("damaged layers count as absent: %s", async (_, damage) => {
  await importLayer(repository, DIFF_ID, chunked(ARCHIVE));
  await damage(join(repository.path, "streams", NAME), (id) =>
    join(repository.path, "objects", objectPath(id as Parameters<typeof objectPath>[0])),
  );
  expect(await findLayer(repository, DIFF_ID, "tar")).toBeNull();
  expect(await importLayer(repository, DIFF_ID, chunked(ARCHIVE))).toMatchObject({
    stats: { layersAlreadyPresent: 0 },
  });
});

function relink(link: string, target: string): void {
  unlinkSync(link);
  symlinkSync(target, link);
}
