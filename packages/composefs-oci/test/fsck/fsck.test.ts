import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ObjectId, objectPath, type Repository } from "@composefs/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkImage } from "../../src/fsck/check-image.ts";
import { fsckImages, ociFsckJson, ociFsckLines } from "../../src/fsck/fsck.ts";
import { storeJsonStream } from "../../src/image/json-stream.ts";
import { storeTarLayer } from "../../src/layer/import-layer.ts";
import type { SourceLayer } from "../../src/pull/image-source.ts";
import { importImage } from "../../src/pull/import-image.ts";
import { CONTENT_TYPE } from "../../src/streams.ts";
import { type FakeImage, fakeImage, oneFile } from "../fake-image.ts";
import { chunked, sha256 } from "../tar-builder.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";

let repository: Repository;
let image: FakeImage;
beforeEach(async () => {
  repository = await tempRepository();
  image = fakeImage(repository);
  await importImage(repository, image.source, { tag: "app" });
});
afterEach(removeRepositories);

const kinds = async (where = repository): Promise<string[]> =>
  (await fsckImages(where)).findings.map(({ kind }) => kind);

test("nothing is wrong", async () => {
  const report = await fsckImages(repository);
  expect(report).toMatchObject({ ok: true, imagesChecked: 1, imagesCorrupted: 0, findings: [] });
  expect(ociFsckLines(report).slice(-2)).toEqual(["status: ok", "oci images: 1/1 ok"]);
  expect(Object.keys(ociFsckJson(report))).toEqual(["ok", "images_checked", "images_corrupted", "errors", "repo"]);
});

test("an image under two names counts twice", async () => {
  await importImage(repository, image.source, { tag: "again" });
  rmSync(join(repository.path, "streams", `oci-layer-${image.diffIds[1]}`));
  const { imagesChecked, imagesCorrupted, findings, ok, repository: own } = await fsckImages(repository);
  expect({ ok, own: own.ok, imagesChecked, imagesCorrupted }).toEqual({
    ok: false,
    own: true,
    imagesChecked: 2,
    imagesCorrupted: 2,
  });
  expect(findings.map(({ image: name, kind }) => [name, kind])).toEqual([
    ["again", "layer-stream-missing"],
    ["app", "layer-stream-missing"],
  ]);
});

test("an image that is not tagged is checked when it is asked for", async () => {
  const other = fakeImage(repository);
  await importImage(repository, other.source);
  rmSync(join(repository.path, "streams", `oci-layer-${other.diffIds[0]}`));
  expect(await kinds()).toEqual([]);
  const asked = await fsckImages(repository, { image: other.manifestDigest });
  expect(asked.findings.map(({ kind }) => kind)).toEqual(["layer-stream-missing"]);
});

test("the diff_ids of an image are not computed to their end when it is aborted", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  const report = expect.unreachable;
  await expect(checkImage(repository, image.manifestDigest, { contents: true, signal }, report)).rejects.toThrow(
    "enough",
  );
  await checkImage(repository, image.manifestDigest, { contents: false, signal }, report);
});

test("another tar under a diff_id, as composefs-rs takes it", async () => {
  const where = await tempRepository();
  const other = fakeImage(where);
  const [first, ...rest] = other.source.layers as [SourceLayer, ...SourceLayer[]];
  const store: SourceLayer["store"] = ({ signal }) =>
    storeTarLayer(where, first.diffId, chunked(oneFile(555)), { signal, verify: false });
  await importImage(where, { ...other.source, layers: [{ ...first, store }, ...rest] }, { tag: "app" });
  const config = await where.openStream(`oci-config-${other.configDigest}`);
  const target = `../objects/${objectPath(config.namedRefs.get(first.diffId) as ObjectId)}`;
  symlinkSync(target, join(where.path, "streams", `oci-layer-${first.diffId}`));
  const { findings } = await fsckImages(where);
  expect(findings.map(({ kind, detail }) => [kind, detail.includes("the tar's digest is")])).toEqual([
    ["layer-check-failed", true],
  ]);
  expect((await fsckImages(where, { metadataOnly: true })).findings).toEqual([]);
});

test("a damaged layer stream", async () => {
  const { id } = await repository.openStream(`oci-layer-${image.diffIds[0]}`);
  writeFileSync(join(repository.path, "objects", objectPath(id)), "junk");
  expect(await kinds()).toEqual(["layer-check-failed"]);
});

test("objects of a layer that are gone are one finding", async () => {
  const tagged = await tempRepository();
  const two = fakeImage(tagged);
  await importImage(tagged, two.source, { tag: "two" });
  for (const diffId of two.diffIds) {
    const { objectRefs } = await tagged.openStream(`oci-layer-${diffId}`);
    for (const id of objectRefs) rmSync(join(tagged.path, "objects", objectPath(id)));
  }
  expect(await kinds(tagged)).toEqual(["layer-object-missing", "layer-object-missing", "layer-object-missing"]);
});

test.each([
  ["junk", "manifest-parse-failed"],
  [JSON.stringify({ schemaVersion: 2, config: descriptor(sha256("x")), layers: [] }), "config-ref-missing"],
])("a manifest %s: %s", async (text, kind) => {
  await addManifest("odd", Buffer.from(text), []);
  expect(await kinds()).toEqual([kind]);
});

test.each<[string, object, string]>([
  ["is no config", { architecture: 1 }, "config-parse-failed"],
  ["names a layer its stream does not", config({ rootfs: layers(sha256("x")) }), "layer-ref-missing"],
  ["is sealed with an image that is not there", config(sealed("0".repeat(64))), "seal-image-missing"],
  ["is sealed with what is no id", config(sealed("zz")), "seal-image-missing"],
])("a config that %s", async (_, document, kind) => {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = sha256(bytes);
  const id = await storeJsonStream(repository, { kind: "config", digest, bytes, refs: [] });
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: descriptor(digest), layers: [] }));
  await addManifest("odd", manifest, [[`config:${digest}`, id]]);
  expect(await kinds()).toEqual([kind]);
});

test("content that is not what its digest says", async () => {
  const bytes = Buffer.from("other");
  const stream = repository.createStream(CONTENT_TYPE.manifest);
  stream.external(await repository.objects.put(bytes, "test"), bytes.length);
  const id = await repository.objects.put(stream.finish(), "test");
  await repository.publish({ streams: [{ contentId: `oci-manifest-${image.manifestDigest}`, id }] });
  const { findings } = await fsckImages(repository);
  expect(findings).toEqual([
    {
      kind: "manifest-digest-mismatch",
      image: "app",
      detail: `expected ${image.manifestDigest}, got ${sha256(bytes)}`,
    },
  ]);
});

test("an artifact whose layer nothing names", async () => {
  const bytes = Buffer.from("{}");
  const digest = sha256(bytes);
  const id = await storeJsonStream(repository, { kind: "config", digest, bytes, refs: [] });
  const mediaType = "application/vnd.oci.empty.v1+json";
  const manifest = {
    schemaVersion: 2,
    config: { ...descriptor(digest), mediaType },
    layers: [descriptor(sha256("x"))],
  };
  await addManifest("artifact", Buffer.from(JSON.stringify(manifest)), [[`config:${digest}`, id]]);
  expect(await kinds()).toEqual(["artifact-layer-ref-missing"]);
});

test("a tag that begins with @ is told of, and the others are checked", async () => {
  const refs = join(repository.path, "streams/refs/oci");
  mkdirSync(refs, { recursive: true });
  symlinkSync(`../../oci-manifest-${image.manifestDigest}`, join(refs, "@x"));
  const { imagesChecked, findings } = await fsckImages(repository);
  expect(imagesChecked).toBe(2);
  expect(findings.map(({ kind, image: name }) => [kind, name])).toEqual([["invalid-ref-name", "@x"]]);
});

function descriptor(digest: string): object {
  return { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: 1 };
}

function layers(...diffIds: string[]): object {
  return { type: "layers", diff_ids: diffIds };
}

function config(fields: object): object {
  return { architecture: "amd64", os: "linux", rootfs: layers(), ...fields };
}

function sealed(id: string): object {
  return { config: { Labels: { "containers.composefs.fsverity": id } } };
}

async function addManifest(
  tag: string,
  bytes: Buffer,
  refs: readonly (readonly [string, Parameters<typeof objectPath>[0]])[],
): Promise<void> {
  const digest = sha256(bytes);
  const id = await storeJsonStream(repository, { kind: "manifest", digest, bytes, refs });
  const contentId = `oci-manifest-${digest}`;
  await repository.publish({ streams: [{ contentId, id }], refs: [{ name: `oci/${tag}`, contentId }] });
}
