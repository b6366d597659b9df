import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contentType, type ObjectId, objectPath, type Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openImage } from "../../src/image/image.ts";
import { listImages } from "../../src/image/list-images.ts";
import { importImage } from "../../src/pull/import-image.ts";
import { ociError } from "../code-of.ts";
import { type FakeImage, fakeImage } from "../fake-image.ts";
import { sha256 } from "../tar-builder.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";

let repository: Repository;
let image: FakeImage;
beforeEach(async () => {
  repository = await tempRepository();
  image = fakeImage(repository);
  await importImage(repository, image.source, { tag: "app" });
});
afterEach(removeRepositories);

const objectFile = (id: ObjectId): string => join(repository.path, "objects", objectPath(id));

/** Names a manifest stream made by hand. */
async function publishManifest(bytes: Uint8Array, type = "ocimanif", refs: readonly [string, ObjectId][] = []) {
  const stream = repository.createStream(contentType(type));
  stream.external(await repository.objects.put(bytes, "test"), bytes.length);
  for (const [name, id] of refs) stream.ref(name, id);
  const id = await repository.objects.put(stream.finish(), "test");
  const contentId = `oci-manifest-${sha256(bytes)}`;
  await repository.publish({ streams: [{ contentId, id }], refs: [{ name: "oci/made", contentId }] });
}

test("an image has the bytes that were imported", async () => {
  const opened = await openImage(repository, "app");
  expect(opened).toMatchObject({
    manifestDigest: image.manifestDigest,
    configDigest: image.configDigest,
    config: { architecture: "amd64", os: "linux", created: null, diffIds: image.diffIds },
    referrers: [],
  });
  expect(Buffer.from(opened.manifestBytes)).toEqual(image.source.manifest);
  expect(Buffer.from(opened.configBytes)).toEqual(image.source.config);
  expect([...opened.configRefs.keys()].sort()).toEqual(["composefs.image.v1", ...image.diffIds].sort());
});

test("referrers are listed, sorted, strays left out", async () => {
  const subject = image.manifestDigest;
  const digests = [sha256("b"), sha256("a"), sha256("c")];
  for (const entry of [...digests, "stray"]) {
    await repository.publish({
      refs: [{ name: `oci-referrers/${subject}/${entry}`, contentId: `oci-manifest-${digests[0]}` }],
    });
  }
  expect((await openImage(repository, "app")).referrers).toEqual([...digests].sort());
  expect((await listImages(repository)).images).toMatchObject([{ referrers: 3 }]);
});

describe("damage", () => {
  test("OBJECT_CORRUPT: the manifest was changed", async () => {
    const { objectRefs } = await repository.openStream(`oci-manifest-${image.manifestDigest}`);
    writeFileSync(objectFile(objectRefs[0] as ObjectId), Buffer.from(image.source.manifest).fill(32, 5, 6));
    await expect(openImage(repository, "app")).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
  });

  test("BLOB_DIGEST_MISMATCH: another manifest under the digest", async () => {
    const other = fakeImage(repository, { architecture: "other" });
    const { manifestId } = await importImage(repository, other.source);
    await repository.publish({ streams: [{ contentId: `oci-manifest-${image.manifestDigest}`, id: manifestId }] });
    await expect(openImage(repository, "app")).rejects.toMatchObject(
      ociError("BLOB_DIGEST_MISMATCH", { expected: image.manifestDigest, actual: other.manifestDigest }),
    );
  });

  test("BLOB_DIGEST_MISMATCH: another config behind the reference", async () => {
    const bytes = Buffer.from(image.source.manifest);
    await publishManifest(Buffer.concat([bytes, Buffer.from("\n")]), "ocimanif", [
      [`config:${image.configDigest}`, (await repository.openStream(`oci-manifest-${image.manifestDigest}`)).id],
    ]);
    await expect(openImage(repository, "made")).rejects.toMatchObject(
      ociError("BLOB_DIGEST_MISMATCH", { expected: image.configDigest }),
    );
  });

  test.each<[string, string]>([
    ["a layer's content type", "ocilayer"],
    ["no reference to the config", "ocimanif"],
  ])("MANIFEST_INVALID: %s", async (_, type) => {
    await publishManifest(Buffer.concat([image.source.manifest, Buffer.from("\n")]), type);
    await expect(openImage(repository, "made")).rejects.toMatchObject(ociError("MANIFEST_INVALID"));
  });

  test("MANIFEST_INVALID: no JSON", async () => {
    await publishManifest(Buffer.from("junk"));
    await expect(openImage(repository, "made")).rejects.toMatchObject(ociError("MANIFEST_INVALID"));
  });

  test("STREAM_CORRUPT: no splitstream", async () => {
    const id = await repository.objects.put(Buffer.from("junk"), "test");
    await repository.publish({ streams: [{ contentId: `oci-manifest-${image.manifestDigest}`, id }] });
    await expect(openImage(repository, "app")).rejects.toMatchObject({ code: "STREAM_CORRUPT" });
  });

  test("IMAGE_NOT_FOUND: a tag whose manifest is gone", async () => {
    symlinkSync(`../../oci-manifest-${sha256("gone")}`, join(repository.path, "streams/refs/oci/gone"));
    await expect(openImage(repository, "gone")).rejects.toMatchObject(
      ociError("IMAGE_NOT_FOUND", { reference: "gone", stream: `oci-manifest-${sha256("gone")}` }),
    );
  });

  test("a broken tag is listed apart and hides no other", async () => {
    symlinkSync(`../../oci-manifest-${sha256("gone")}`, join(repository.path, "streams/refs/oci/a%2Fgone"));
    await publishManifest(Buffer.from("junk"));
    const { images, broken } = await listImages(repository);
    expect(images.map(({ name }) => name)).toEqual(["app"]);
    expect(broken).toMatchObject([
      { name: "a/gone", error: { code: "IMAGE_NOT_FOUND" } },
      { name: "made", error: { code: "MANIFEST_INVALID" } },
    ]);
  });
});

test("an empty repository has no images", async () => {
  expect(await listImages(await tempRepository())).toEqual({ images: [], broken: [] });
});
