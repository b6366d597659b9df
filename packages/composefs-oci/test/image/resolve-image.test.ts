import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { objectPath, type Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openImage } from "../../src/image/image.ts";
import { resolveImage } from "../../src/image/resolve-image.ts";
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
  await importImage(repository, image.source, { tag: "localhost/app:latest" });
});
afterEach(removeRepositories);

test.each<[string, (image: FakeImage) => string]>([
  ["tag", () => "localhost/app:latest"],
  ["manifest digest", ({ manifestDigest }) => manifestDigest],
  ["@manifest digest", ({ manifestDigest }) => `@${manifestDigest}`],
  ["config digest", ({ configDigest }) => configDigest],
  ["@config digest", ({ configDigest }) => `@${configDigest}`],
  ["8 digits", ({ manifestDigest }) => manifestDigest.slice(7, 15)],
  ["12 digits", ({ manifestDigest }) => manifestDigest.slice(7, 19)],
  ["algorithm and 8 digits", ({ manifestDigest }) => manifestDigest.slice(0, 15)],
  ["@ and 8 digits", ({ manifestDigest }) => `@${manifestDigest.slice(7, 15)}`],
])("by %s", async (_, reference) => {
  expect(await resolveImage(repository, reference(image))).toBe(image.manifestDigest);
});

test.each<[string, (image: FakeImage) => string]>([
  ["nothing", () => ""],
  ["@ alone", () => "@"],
  ["unknown tag", () => "app"],
  ["unknown digest", () => sha256("other")],
  ["7 digits", ({ manifestDigest }) => manifestDigest.slice(7, 14)],
  ["digits of the config", ({ configDigest }) => configDigest.slice(7, 19)],
  ["another algorithm", ({ manifestDigest }) => `sha512:${manifestDigest.slice(7, 19)}`],
  ["capitals", ({ manifestDigest }) => manifestDigest.toUpperCase()],
  ["@ and a tag", () => "@localhost/app:latest"],
  ["a path", () => "../oci/localhost%2Fapp:latest"],
  ["NUL", () => "a\0b"],
  ["very long", () => "a".repeat(100_000)],
])("IMAGE_NOT_FOUND: %s", async (_, reference) => {
  await expect(resolveImage(repository, reference(image))).rejects.toMatchObject(
    ociError("IMAGE_NOT_FOUND", { reference: reference(image) }),
  );
});

test("a tag comes before digits", async () => {
  const other = fakeImage(repository);
  const digits = image.manifestDigest.slice(7, 15);
  await importImage(repository, other.source, { tag: digits });
  expect(await resolveImage(repository, digits)).toBe(other.manifestDigest);
  expect(await resolveImage(repository, `@${digits}`)).toBe(image.manifestDigest);
});

test("REF_AMBIGUOUS: a config that two manifests share", async () => {
  const twin = fakeImage(repository, {
    config: Buffer.from(image.source.config),
    manifest: { annotations: { a: "b" } },
  });
  const layers = image.source.layers;
  const manifest = JSON.parse(Buffer.from(image.source.manifest).toString()) as object;
  const bytes = Buffer.from(JSON.stringify({ ...manifest, annotations: { a: "b" } }));
  await importImage(repository, { ...twin.source, manifest: bytes, layers });
  const candidates = [image.manifestDigest, sha256(bytes)].sort();
  await expect(resolveImage(repository, `@${image.configDigest}`)).rejects.toMatchObject(
    ociError("REF_AMBIGUOUS", { candidates }),
  );
});

test("a damaged image does not hide another", async () => {
  const other = fakeImage(repository);
  await importImage(repository, other.source);
  const digests = [image.manifestDigest, other.manifestDigest];
  const { id } = await repository.openStream(`oci-manifest-${[...digests].sort()[0]}`);
  const [wanted, lost] = image.manifestDigest < other.manifestDigest ? [other, image] : [image, other];
  writeFileSync(join(repository.path, "objects", objectPath(id)), "junk");
  expect(await resolveImage(repository, `@${wanted.configDigest}`)).toBe(wanted.manifestDigest);
  await expect(resolveImage(repository, `@${lost.configDigest}`)).rejects.toMatchObject({
    code: "IMAGE_NOT_FOUND",
    cause: { code: "OBJECT_CORRUPT" },
  });
});

test("a manifest whose splitstream is gone is not found by digest", async () => {
  const { id } = await repository.openStream(`oci-manifest-${image.manifestDigest}`);
  rmSync(join(repository.path, "objects", objectPath(id)));
  await expect(resolveImage(repository, image.manifestDigest)).rejects.toMatchObject(ociError("IMAGE_NOT_FOUND"));
});

test("hints: what is similar, how to list, how to get one", async () => {
  const hint = async (reference: string, where = repository): Promise<string> =>
    resolveImage(where, reference).then(
      () => "",
      (error: { hint: string }) => error.hint,
    );
  expect(await hint("app")).toContain("localhost/app:latest");
  expect(await hint("nothing like it")).toContain("oci images");
  expect(await hint("app", await tempRepository())).toContain("oci pull");
});

describe("D10: what the commands print", () => {
  test("a ref beneath streams/", async () => {
    expect(await resolveImage(repository, "refs/oci/localhost%2Fapp:latest")).toBe(image.manifestDigest);
    await expect(resolveImage(repository, "refs/oci/app")).rejects.toMatchObject(ociError("IMAGE_NOT_FOUND"));
    await expect(resolveImage(repository, "refs/../x")).rejects.toMatchObject(ociError("IMAGE_NOT_FOUND"));
  });

  test("ids of the manifest's and config's streams and of the EROFS image", async () => {
    const { manifestId, configId, configRefs } = await openImage(repository, image.manifestDigest);
    const ids = [manifestId, configId, configRefs.get("composefs.image.v1") as string];
    for (const id of ids) {
      expect(await resolveImage(repository, id)).toBe(image.manifestDigest);
      expect(await resolveImage(repository, `${repository.hash}:${id}`)).toBe(image.manifestDigest);
    }
  });

  test("digits of an image without tag, unless a tagged one has them", async () => {
    const other = fakeImage(repository);
    await importImage(repository, other.source);
    expect(await resolveImage(repository, other.manifestDigest.slice(7, 19))).toBe(other.manifestDigest);
  });
});
