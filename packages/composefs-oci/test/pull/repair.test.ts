import { lstatSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ObjectId, objectPath, type Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { importImage } from "../../src/pull/import-image.ts";
import { fakeImage, oneFile } from "../fake-image.ts";
import { removeRepositories, state, tempRepository } from "../temp-repository.ts";

let repository: Repository;
beforeEach(async () => {
  repository = await tempRepository();
});
afterEach(removeRepositories);

const objectFile = (id: ObjectId): string => join(repository.path, "objects", objectPath(id));

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
}

const DAMAGES: readonly (readonly [string, (path: string) => void])[] = [
  ["with a flipped bit", flipByte],
  ["cut off", (path) => truncateSync(path, lstatSync(path).size - 1)],
  ["empty", (path) => truncateSync(path, 0)],
  ["too long", (path) => writeFileSync(path, "x", { flag: "a" })],
  ["missing", (path) => rmSync(path)],
];

/** Imports an image and tells the ids of its parts. */
async function importParts(tars: readonly Uint8Array[]): Promise<Record<string, ObjectId>> {
  const image = fakeImage(repository, { tars });
  const { manifestId, configId, imageIds } = await importImage(repository, image.source, { tag: "app" });
  const only = async (name: string): Promise<ObjectId> => (await repository.openStream(name)).objectRefs[0] as ObjectId;
  const layer = `oci-layer-${image.diffIds[0]}`;
  return {
    "EROFS image": imageIds.get(1) as ObjectId,
    "manifest stream": manifestId,
    "config stream": configId,
    manifest: await only(`oci-manifest-${image.manifestDigest}`),
    config: await only(`oci-config-${image.configDigest}`),
    "layer stream": (await repository.openStream(layer)).id,
    file: await only(layer),
  };
}

const PARTS = ["EROFS image", "manifest stream", "config stream", "manifest", "config", "layer stream", "file"];

describe.each(PARTS)("an import puts right the %s that is", (part) => {
  // The contents of files are fsck's to check: reading them all would make every pull as slow as the first.
  const damages = DAMAGES.filter(([what]) => part !== "file" || what !== "with a flipped bit");
  test.each(damages)("%s", async (_, damage) => {
    const tars = [oneFile(), oneFile()];
    const parts = await importParts(tars);
    const before = state(repository);
    damage(objectFile(parts[part] as ObjectId));
    expect((await repository.fsck()).ok).toBe(false);
    expect(await importParts(tars)).toEqual(parts);
    expect((await repository.fsck()).findings).toEqual([]);
    expect(state(repository)).toEqual(before);
  });
});

test("a file with a flipped bit: fsck names it; once it is removed, an import brings it back", async () => {
  const tars = [oneFile(), oneFile()];
  const { file } = await importParts(tars);
  flipByte(objectFile(file as ObjectId));
  const { findings } = await repository.fsck();
  expect(findings).toMatchObject([{ kind: "object-digest-mismatch", path: `objects/${objectPath(file as ObjectId)}` }]);
  rmSync(join(repository.path, findings[0]?.path as string));
  await importParts(tars);
  expect((await repository.fsck()).ok).toBe(true);
});
