import { createHash } from "node:crypto";
import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ObjectId, objectPath, type Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { copyImage } from "../../src/copy/copy-image.ts";
import { type OciDigest, parseDigest } from "../../src/digest.ts";
import { listTags } from "../../src/image/tags.ts";
import { storeBlobLayer } from "../../src/layer/blob-layer.ts";
import type { ProgressEvent } from "../../src/progress.ts";
import { importImage } from "../../src/pull/import-image.ts";
import { ociError } from "../code-of.ts";
import { type FakeImage, fakeImage, importArtifact, oneFile } from "../fake-image.ts";
import { chunked, noise, sha256, tar, USR } from "../tar-builder.ts";
import { names, objectFiles, readOnlyTwin, removeRepositories, state, tempRepository } from "../temp-repository.ts";

let source: Repository;
let destination: Repository;
let image: FakeImage;
let tars: readonly Buffer[];
beforeEach(async () => {
  source = await tempRepository();
  destination = await tempRepository();
  tars = [oneFile(), oneFile(2_000_000), oneFile(20)];
  image = fakeImage(source, { tars });
  await importImage(source, image.source, { tag: "app" });
});
afterEach(removeRepositories);

const objectFile = (repository: Repository, id: ObjectId): string => join(repository.path, "objects", objectPath(id));
/** Digests of all objects' bytes. */
const contents = (repository: Repository): Record<string, string> =>
  Object.fromEntries(
    objectFiles(repository).map((name) => [name, sha256(readFileSync(join(repository.path, "objects", name)))]),
  );

/** Writes over an object, as a bad disk or hand would. */
function damage(id: ObjectId, bytes: Uint8Array): void {
  const path = objectFile(source, id);
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
}

async function layerObject(index: number): Promise<ObjectId> {
  const { objectRefs } = await source.openStream(`oci-layer-${image.diffIds[index]}`);
  return objectRefs[0] as ObjectId;
}

test("the same hash: the same names and objects, byte for byte", async () => {
  const result = await copyImage(destination, source, "app");
  expect(state(destination)).toEqual(state(source));
  expect(contents(destination)).toEqual(contents(source));
  expect(result).toMatchObject({
    manifestDigest: image.manifestDigest,
    configDigest: image.configDigest,
    tag: "app",
    changed: true,
    stats: { layers: 3, layersAlreadyPresent: 0, objectsAlreadyPresent: 0 },
  });
  const { objectsCopied, objectsReflinked } = result.stats;
  expect(objectsCopied + objectsReflinked).toBe(2);
  const other = await tempRepository();
  const pulled = await importImage(other, fakeImage(other, { tars }).source);
  expect(result.stats.bytesInlined).toBe(pulled.stats.bytesInlined);
});

test.each([
  ["sha256", "sha512"],
  ["sha512", "sha256"],
] as const)("%s to %s: what a pull into the other repository gives", async (from, to) => {
  const [first, second, pulled] = [await tempRepository(from), await tempRepository(to), await tempRepository(to)];
  await importImage(first, fakeImage(first, { tars: [oneFile()] }).source, { tag: "other" });
  const others = [oneFile(), oneFile(2_000_000), tar([USR, { name: "e", content: noise(0) }])];
  await importImage(first, fakeImage(first, { tars: others }).source, { tag: "app" });
  await importImage(pulled, fakeImage(pulled, { tars: others }).source, { tag: "app" });
  await copyImage(second, first, "app");
  expect(state(second)).toEqual(state(pulled));
});

test("a second copy changes nothing", async () => {
  const first = await copyImage(destination, source, "app");
  const before = state(destination);
  const again = await copyImage(destination, source, "app");
  expect(again).toEqual({
    ...first,
    changed: false,
    stats: expect.objectContaining({ layersAlreadyPresent: 3, objectsCopied: 0, objectsReflinked: 0, bytesInlined: 0 }),
  });
  expect(state(destination)).toEqual(before);
});

test("an artifact keeps its blobs as they are, small ones too (oci.md §11.8)", async () => {
  const blobs = [noise(5), noise(100_000)];
  const config = Buffer.from("{}");
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: "application/vnd.oci.empty.v1+json", digest: sha256(config), size: 2 },
      layers: blobs.map((blob) => ({ mediaType: "text/plain", digest: sha256(blob), size: blob.length })),
    }),
  );
  const artifact = (repository: Repository) => ({
    manifest,
    config,
    layers: blobs.map((blob) => ({
      diffId: sha256(blob),
      bytes: null,
      store: () => storeBlobLayer(repository, sha256(blob), chunked(blob)),
    })),
  });
  const [first, second, other] = [await tempRepository(), await tempRepository(), await tempRepository("sha512")];
  const pulled = await tempRepository("sha512");
  await importImage(first, artifact(first), { tag: "art" });
  await importImage(pulled, artifact(pulled), { tag: "art" });
  expect(await copyImage(second, first, "art")).toMatchObject({ kind: "artifact", stats: { bytesInlined: 0 } });
  expect(contents(second)).toEqual(contents(first));
  expect(names(second)).toEqual(names(first));
  await copyImage(other, first, "art");
  expect(state(other)).toEqual(state(pulled));
});

describe("artifacts about the image", () => {
  const artifact = (content: string, subject: OciDigest) => importArtifact(source, subject, Buffer.from(content));

  test("come along, and those about them", async () => {
    const sbom = await artifact("an SBOM", image.manifestDigest);
    const signature = await artifact("its signature", sbom.manifestDigest);
    expect(await copyImage(destination, source, "app")).toMatchObject({
      tag: "app",
      changed: true,
      referrers: [sbom.manifestDigest, signature.manifestDigest],
    });
    expect(contents(destination)).toEqual(contents(source));
    expect(names(destination)).toEqual(names(source));
    const before = state(destination);
    expect(await copyImage(destination, source, "app")).toMatchObject({ changed: false });
    expect(state(destination)).toEqual(before);
  });

  test("a record without its artifact is told of", async () => {
    const { manifestDigest } = await artifact("an SBOM", image.manifestDigest);
    rmSync(join(source.path, "streams", `oci-manifest-${manifestDigest}`));
    const events: ProgressEvent[] = [];
    const onProgress = (event: ProgressEvent): unknown => events.push(event);
    expect(await copyImage(destination, source, "app", { onProgress })).toMatchObject({ changed: true, referrers: [] });
    const text = expect.stringMatching(`artifact ${manifestDigest} is left out: .*${source.path}`);
    expect(events.filter(({ type }) => type === "note")).toEqual([{ type: "note", text }]);
  });

  test("OBJECT_CORRUPT says which, and that the image is there", async () => {
    const { manifestDigest, manifestId } = await artifact("an SBOM", image.manifestDigest);
    damage(manifestId, noise(100));
    await expect(copyImage(destination, source, "app")).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
      message: expect.stringContaining(manifestDigest),
      details: { referrer: manifestDigest },
      hint: expect.stringContaining("the image itself is there"),
    });
    expect(listTags(destination)).toMatchObject([{ name: "app" }]);
  });

  test("ZERO_COPY_IMPOSSIBLE before anything is written, also if only an artifact has an object", async () => {
    const inline = fakeImage(source, { tars: [tar([USR])] });
    await importImage(source, inline.source, { tag: "inline" });
    await artifact("an SBOM", inline.manifestDigest);
    const before = state(destination);
    const probe = vi.spyOn(destination.objects, "probe");
    probe.mockReturnValue(Object.assign(new Error(), { code: "EXDEV" }) as ReturnType<typeof probe>);
    await expect(copyImage(destination, source, "inline", { zeroCopy: true })).rejects.toMatchObject(
      ociError("ZERO_COPY_IMPOSSIBLE", { source: source.path, destination: destination.path }),
    );
    expect(state(destination)).toEqual(before);
  });

  test("one that is new is a change", async () => {
    await copyImage(destination, source, "app");
    const { manifestDigest } = await artifact("an SBOM", image.manifestDigest);
    expect(await copyImage(destination, source, "app")).toMatchObject({ changed: true, referrers: [manifestDigest] });
  });
});

test("a manifest that is known by a digest of another hash keeps it", async () => {
  const hex = createHash("sha512").update(image.source.manifest).digest("hex");
  const manifestDigest = parseDigest(`sha512:${hex}`, "here");
  await importImage(source, { ...image.source, manifestDigest }, { tag: "other" });
  expect(await copyImage(destination, source, "other")).toMatchObject({ manifestDigest });
  expect(names(destination)).toHaveProperty([`oci-manifest-${manifestDigest}`]);
});

describe("tags", () => {
  const tags = () => listTags(destination).map(({ name }) => name);

  test("D23: without a name the image keeps the one it has", async () => {
    expect(await copyImage(destination, source, "app")).toMatchObject({ tag: "app" });
    expect(tags()).toEqual(["app"]);
  });

  test("D23: asked for by digest it gets a name of the source, too", async () => {
    await importImage(source, image.source, { tag: "a/first@x" });
    expect(await copyImage(destination, source, `@${image.manifestDigest}`)).toMatchObject({ tag: "a/first@x" });
    expect(tags()).toEqual(["a/first@x"]);
  });

  test("a name that is given", async () => {
    expect(await copyImage(destination, source, "app", { tag: "other" })).toMatchObject({ tag: "other" });
    expect(tags()).toEqual(["other"]);
  });

  test("without any tag anywhere it is said that gc removes it", async () => {
    const untagged = fakeImage(source);
    await importImage(source, untagged.source);
    const events: ProgressEvent[] = [];
    const onProgress = (event: ProgressEvent): unknown => events.push(event);
    expect(await copyImage(destination, source, untagged.manifestDigest, { onProgress })).toMatchObject({ tag: null });
    expect(events.filter(({ type }) => type === "note")).toHaveLength(1);
    expect(tags()).toEqual([]);
  });

  test.each(["@x", "a@b", "", "."])("D9: the name '%s' is refused before anything is written", async (tag) => {
    const before = state(destination);
    await expect(copyImage(destination, source, "app", { tag })).rejects.toMatchObject(ociError("REF_INVALID"));
    expect(state(destination)).toEqual(before);
  });
});

describe("damage in the source leaves no names", () => {
  afterEach(() => expect(names(destination)).toEqual({}));

  test.each(["sha256", "sha512"] as const)("OBJECT_CORRUPT into %s: a file changed", async (hash) => {
    const id = await layerObject(1);
    const bytes = noise(2_000_000);
    damage(id, bytes);
    if (hash === "sha512") destination = await tempRepository("sha512");
    await expect(copyImage(destination, source, "app")).rejects.toMatchObject({
      code: "OBJECT_CORRUPT",
      details: { id, path: objectFile(source, id) },
    });
  });

  test("OBJECT_NOT_FOUND: a file is gone", async () => {
    rmSync(objectFile(source, await layerObject(0)));
    await expect(copyImage(destination, source, "app")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
  });

  test("OBJECT_CORRUPT: a layer's splitstream changed", async () => {
    damage(source.findStream(`oci-layer-${image.diffIds[0]}`) as ObjectId, noise(100));
    await expect(copyImage(destination, source, "app")).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
  });

  test.each(["sha256", "sha512"] as const)(
    "DIFF_ID_MISMATCH into %s: sound objects, but another layer's",
    async (hash) => {
      const id = source.findStream(`oci-layer-${image.diffIds[1]}`) as ObjectId;
      const wrong = sha256("another tar");
      const config = Buffer.from(
        JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [wrong] } }),
      );
      const manifest = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          config: {
            mediaType: "application/vnd.oci.image.config.v1+json",
            digest: sha256(config),
            size: config.length,
          },
          layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: wrong, size: 1 }],
        }),
      );
      const layers = [
        {
          diffId: wrong,
          bytes: null,
          store: async () => ({ id, stats: (await importImage(source, image.source)).stats }),
        },
      ];
      await importImage(source, { manifest, config, layers }, { tag: "liar" });
      if (hash === "sha512") destination = await tempRepository("sha512");
      await expect(copyImage(destination, source, "liar")).rejects.toMatchObject(
        ociError("DIFF_ID_MISMATCH", { expected: wrong, actual: image.diffIds[1] }),
      );
    },
  );
});

describe("without copying", () => {
  test("ZERO_COPY_IMPOSSIBLE: the other repository has another hash, before anything is written", async () => {
    const other = await tempRepository("sha512");
    const before = state(other);
    await expect(copyImage(other, source, "app", { zeroCopy: true })).rejects.toMatchObject(
      ociError("ZERO_COPY_IMPOSSIBLE", { source: "sha256", destination: "sha512" }),
    );
    expect(state(other)).toEqual(before);
  });

  test("objects are cloned, else linked", async () => {
    const { stats } = await copyImage(destination, source, "app", { zeroCopy: true });
    expect(stats).toMatchObject({ objectsCopied: 0, bytesCopied: 0 });
    expect(stats.objectsReflinked + stats.objectsHardlinked).toBe(2);
    const id = await layerObject(1);
    const same = statSync(objectFile(source, id)).ino === statSync(objectFile(destination, id)).ino;
    expect(same).toBe(stats.objectsHardlinked > 0);
  });
});

test("IMAGE_NOT_FOUND, REPO_READ_ONLY", async () => {
  await expect(copyImage(destination, source, "nope")).rejects.toMatchObject(ociError("IMAGE_NOT_FOUND"));
  await expect(copyImage(await readOnlyTwin(destination), source, "app")).rejects.toMatchObject({
    code: "REPO_READ_ONLY",
  });
});

test("progress: the sizes of the layers' tars", async () => {
  const events: ProgressEvent[] = [];
  await copyImage(destination, source, "app", { onProgress: (event) => events.push(event) });
  const sizes = Object.fromEntries(image.source.layers.map(({ diffId, bytes }) => [diffId, bytes]));
  const done = events.flatMap((event) => (event.type === "done" ? [[event.id, event.bytes]] : []));
  expect(Object.fromEntries(done)).toEqual(sizes);
  const plan = events.flatMap((event) => (event.type === "plan" ? event.components : []));
  expect(Object.fromEntries(plan.map(({ id, bytes }) => [id, bytes]))).toEqual(sizes);
});
