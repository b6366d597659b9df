import { rmSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { objectPath, type Repository, unzstd } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import type { ProgressEvent } from "../../src/progress.ts";
import { importImage } from "../../src/pull/import-image.ts";
import { exportImage } from "../../src/sink/export-image.ts";
import { ociError } from "../code-of.ts";
import { type FakeImage, fakeImage, importArtifact, oneFile } from "../fake-image.ts";
import { chunked, noise, sha256 } from "../tar-builder.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";
import { type MemorySink, memorySink } from "./memory-sink.ts";

const TAR = "application/vnd.oci.image.layer.v1.tar";
const DOCKER = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
};

let repository: Repository;
let sink: MemorySink;
beforeEach(async () => {
  repository = await tempRepository();
  sink = memorySink();
});
afterEach(removeRepositories);

const layer = (mediaType: string, blob: Uint8Array, more: object = {}) => ({
  mediaType,
  digest: sha256(blob),
  size: blob.length,
  ...more,
});
const store = (image: FakeImage, tag = "app") => importImage(repository, image.source, { tag });

const storeReferrer = async (subject: OciDigest, blob: Uint8Array): Promise<OciDigest> =>
  (await importArtifact(repository, subject, blob)).manifestDigest;

test("layers that were not compressed: the original manifest and blobs, the manifest after them", async () => {
  const tars = [oneFile(), oneFile(2_000_000), oneFile(10)];
  const image = fakeImage(repository, { tars });
  await store(image);
  const result = await exportImage(repository, "app", sink);
  const bytes = [...tars, image.source.config].reduce((sum, { length }) => sum + length, 0);
  expect(result).toEqual({
    manifestDigest: image.manifestDigest,
    storedManifestDigest: image.manifestDigest,
    configDigest: image.configDigest,
    blobsWritten: 4,
    bytesWritten: bytes,
    blobsPresent: 0,
    bytesPresent: 0,
    referrers: [],
    referrersLeftOut: [],
  });
  expect(sink.manifests).toEqual([
    { kind: "image", mediaType: "application/vnd.oci.image.manifest.v1+json", bytes: image.source.manifest },
  ]);
  for (const tar of tars) expect(sink.blobs.get(sha256(tar))?.equals(tar)).toBe(true);
  expect(sink.blobs.get(image.configDigest)).toEqual(image.source.config);
  expect(sink.events.slice(-2)).toEqual([`manifest ${image.manifestDigest}`, "finish"]);
  expect(sink.events.slice(0, 4).every((event) => event.startsWith("blob "))).toBe(true);
});

test("a second export writes no blob", async () => {
  await store(fakeImage(repository));
  const first = await exportImage(repository, "app", sink);
  const before = sink.events.filter((event) => event.startsWith("blob "));
  expect(await exportImage(repository, "app", sink)).toEqual({
    ...first,
    blobsWritten: 0,
    bytesWritten: 0,
    blobsPresent: first.blobsWritten,
    bytesPresent: first.bytesWritten,
  });
  expect(sink.events.filter((event) => event.startsWith("blob "))).toEqual(before);
});

describe("compressed layers", () => {
  const tars = [oneFile(), oneFile(), oneFile()];
  // Compressed by another level, so that nobody gets the same bytes.
  const blob = (i: number): Buffer => gzipSync(tars[i] as Buffer, { level: 1 });
  const layers = [
    layer(`${TAR}+gzip`, blob(0), { annotations: { "containerd.io/snapshot/stargz/toc.digest": "x", kept: "y" } }),
    layer(TAR, tars[1] as Buffer),
    layer(`${TAR}+zstd`, blob(2)),
  ];
  let image: FakeImage;
  beforeEach(async () => {
    image = fakeImage(repository, { tars, manifest: { layers, annotations: { a: "b" } } });
    await store(image);
  });

  test("an honest new manifest: other digests and sizes, the rest as before", async () => {
    const { manifestDigest, storedManifestDigest, configDigest } = await exportImage(repository, "app", sink);
    expect(storedManifestDigest).toBe(image.manifestDigest);
    expect(configDigest).toBe(image.configDigest);
    const [written] = sink.manifests;
    expect(sha256(written?.bytes ?? "")).toBe(manifestDigest);
    const after = JSON.parse(written?.bytes.toString() ?? "") as { layers: { digest: OciDigest }[] };
    const [gzip, plain, zstd] = after.layers.map(({ digest }) => sink.blobs.get(digest) as Buffer);
    expect(after).toEqual({
      ...(JSON.parse(Buffer.from(image.source.manifest).toString()) as object),
      layers: [
        { ...layers[0], ...layer(`${TAR}+gzip`, gzip as Buffer), annotations: { kept: "y" } },
        layers[1],
        layer(`${TAR}+zstd`, zstd as Buffer),
      ],
    });
    expect(gunzipSync(gzip as Buffer)).toEqual(tars[0]);
    expect(plain).toEqual(tars[1]);
    expect(Buffer.concat([...unzstd(zstd as Buffer)])).toEqual(tars[2]);
  });

  test("blobs that the sink has are kept, and with all of them the manifest", async () => {
    for (const i of [0, 2]) await sink.putBlob(() => chunked(blob(i)), null);
    const result = await exportImage(repository, "app", sink);
    expect(result).toMatchObject({ manifestDigest: image.manifestDigest, blobsPresent: 2, blobsWritten: 2 });
    expect(sink.manifests[0]?.bytes).toEqual(image.source.manifest);
  });

  test("one that the sink has in another length is not", async () => {
    sink.blobs.set(sha256(blob(0)), Buffer.from("cut"));
    await sink.putBlob(() => chunked(blob(2)), null);
    const { manifestDigest } = await exportImage(repository, "app", sink);
    expect(manifestDigest).not.toBe(image.manifestDigest);
  });

  test("bytes that come out the same anyway keep the manifest", async () => {
    await exportImage(repository, "app", sink);
    const manifest = JSON.parse(sink.manifests[0]?.bytes.toString() ?? "") as object;
    const again = fakeImage(repository, { tars, manifest });
    await store(again, "again");
    const other = memorySink();
    expect(await exportImage(repository, "again", other)).toMatchObject({ manifestDigest: again.manifestDigest });
    expect(other.manifests[0]?.bytes).toEqual(again.source.manifest);
  });

  test("a layer that is not what its diff_id says is not handed on", async () => {
    const [first, second] = image.diffIds as [OciDigest, OciDigest];
    // The config's stream takes one layer for the other.
    const stream = await repository.openStream(`oci-config-${image.configDigest}`);
    const changed = repository.createStream(stream.type);
    for (const part of stream.parts()) if ("object" in part) changed.external(part.object, stream.size);
    for (const [name, id] of stream.namedRefs) {
      changed.ref(name, name === first ? (stream.namedRefs.get(second) ?? id) : id);
    }
    const id = await repository.objects.put(changed.finish(), "test");
    const manifest = await repository.openStream(`oci-manifest-${image.manifestDigest}`);
    const outer = repository.createStream(manifest.type);
    for (const part of manifest.parts()) if ("object" in part) outer.external(part.object, manifest.size);
    outer.ref(`config:${image.configDigest}`, id);
    await repository.publish({
      streams: [
        {
          contentId: `oci-manifest-${image.manifestDigest}`,
          id: await repository.objects.put(outer.finish(), "test"),
        },
      ],
    });
    await expect(exportImage(repository, "app", sink)).rejects.toMatchObject(
      ociError("DIFF_ID_MISMATCH", { expected: first, actual: second }),
    );
    expect(sink.manifests).toEqual([]);
  });
});

test("Docker's types stay Docker's", async () => {
  const tars = [oneFile()];
  const image = fakeImage(repository, {
    tars,
    configType: DOCKER.config,
    manifest: { mediaType: DOCKER.manifest, layers: [layer(DOCKER.layer, gzipSync(tars[0] as Buffer, { level: 1 }))] },
  });
  await store(image);
  await exportImage(repository, "app", sink);
  const [written] = sink.manifests;
  expect(written?.mediaType).toBe(DOCKER.manifest);
  expect(JSON.parse(written?.bytes.toString() ?? "")).toMatchObject({
    mediaType: DOCKER.manifest,
    config: { mediaType: DOCKER.config },
    layers: [{ mediaType: DOCKER.layer }],
  });
});

test("a plain tar that is called compressed comes out as it was", async () => {
  const tars = [oneFile()];
  const image = fakeImage(repository, { tars, manifest: { layers: [layer(`${TAR}+gzip`, tars[0] as Buffer)] } });
  await store(image);
  expect(await exportImage(repository, "app", sink)).toMatchObject({ manifestDigest: image.manifestDigest });
});

test("LAYER_UNSUPPORTED: a media type that nobody knows", async () => {
  await store(fakeImage(repository, { tars: [oneFile()], manifest: { layers: [layer(`${TAR}+brotli`, noise(5))] } }));
  await expect(exportImage(repository, "app", sink)).rejects.toMatchObject(
    ociError("LAYER_UNSUPPORTED", { mediaType: `${TAR}+brotli` }),
  );
});

test("BLOB_DIGEST_MISMATCH: the manifest has another digest for a plain tar", async () => {
  await store(fakeImage(repository, { tars: [oneFile()], manifest: { layers: [layer(TAR, noise(5))] } }));
  await expect(exportImage(repository, "app", sink)).rejects.toMatchObject({ code: "BLOB_DIGEST_MISMATCH" });
  expect(sink.events).not.toContain("finish");
});

test("OBJECT_NOT_FOUND: a file of a layer is gone", async () => {
  const image = fakeImage(repository);
  await store(image);
  const { objectRefs } = await repository.openStream(`oci-layer-${image.diffIds[1]}`);
  for (const id of objectRefs) rmSync(join(repository.path, "objects", objectPath(id)));
  await expect(exportImage(repository, "app", sink)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
  expect(sink.manifests).toEqual([]);
});

test("LAYER_COUNT_MISMATCH: the manifest has another number of layers", async () => {
  const tars = [oneFile()];
  const image = fakeImage(repository, { tars });
  const { configId } = await store(image);
  const manifest = Buffer.from(
    JSON.stringify({ ...(JSON.parse(Buffer.from(image.source.manifest).toString()) as object), layers: [] }),
  );
  const stream = repository.createStream((await repository.openStream(`oci-manifest-${image.manifestDigest}`)).type);
  stream.external(await repository.objects.put(manifest, "test"), manifest.length);
  stream.ref(`config:${image.configDigest}`, configId);
  const id = await repository.objects.put(stream.finish(), "test");
  await repository.publish({ streams: [{ contentId: `oci-manifest-${sha256(manifest)}`, id }] });
  await expect(exportImage(repository, sha256(manifest), sink)).rejects.toMatchObject(ociError("LAYER_COUNT_MISMATCH"));
});

describe("artifacts about an image", () => {
  test("go along, those about them, too", async () => {
    const image = fakeImage(repository);
    await store(image);
    const signature = await storeReferrer(image.manifestDigest, noise(100));
    const attestation = await storeReferrer(signature, noise(50));
    const result = await exportImage(repository, "app", sink);
    expect(result).toMatchObject({ referrers: [signature, attestation], referrersLeftOut: [] });
    expect(sink.events.filter((event) => !event.startsWith("blob"))).toEqual([
      `manifest ${image.manifestDigest}`,
      `referrer ${signature}`,
      `referrer ${attestation}`,
      "finish",
    ]);
    expect(sink.manifests.map(({ kind, bytes }) => [kind, sha256(bytes)])).toEqual([
      ["image", image.manifestDigest],
      ["referrer", signature],
      ["referrer", attestation],
    ]);
    // Three layers and a config; two blobs and the empty config, twice.
    expect(result).toMatchObject({ blobsWritten: 7, blobsPresent: 1 });
  });

  test("a record without its artifact is told of, and stops nothing", async () => {
    const image = fakeImage(repository);
    await store(image);
    const lost = await storeReferrer(image.manifestDigest, noise(100));
    const signature = await storeReferrer(image.manifestDigest, noise(100));
    rmSync(join(repository.path, "streams", `oci-manifest-${lost}`));
    const notes: ProgressEvent[] = [];
    const result = await exportImage(repository, "app", sink, {
      onProgress: (event) => event.type === "note" && notes.push(event),
    });
    expect(result).toMatchObject({ referrers: [signature] });
    expect(notes).toEqual([{ type: "note", text: expect.stringContaining(`artifact ${lost} is left out`) }]);
  });

  test("stay behind when the image changes", async () => {
    const tars = [oneFile()];
    const image = fakeImage(repository, {
      tars,
      manifest: { layers: [layer(`${TAR}+gzip`, gzipSync(tars[0] as Buffer, { level: 1 }))] },
    });
    await store(image);
    const signature = await storeReferrer(image.manifestDigest, noise(100));
    const notes: ProgressEvent[] = [];
    const result = await exportImage(repository, "app", sink, {
      onProgress: (event) => event.type === "note" && notes.push(event),
    });
    expect(result).toMatchObject({ referrers: [], referrersLeftOut: [signature] });
    expect(notes).toHaveLength(1);
    expect(sink.manifests).toHaveLength(1);
  });

  test("one by itself comes out byte for byte", async () => {
    const blob = noise(3_000_000);
    const digest = await storeReferrer(sha256("elsewhere"), blob);
    expect(await exportImage(repository, digest, sink)).toMatchObject({ manifestDigest: digest });
    expect(sink.blobs.get(sha256(blob))?.equals(blob)).toBe(true);
    expect(sink.manifests.map(({ kind }) => kind)).toEqual(["image"]);
  });
});

test("progress: what there is first, then each layer", async () => {
  const tars = [oneFile(), oneFile()];
  await store(fakeImage(repository, { tars }));
  await sink.putBlob(() => chunked(tars[0] as Buffer), null);
  const events: ProgressEvent[] = [];
  await exportImage(repository, "app", sink, { onProgress: (event) => events.push(event) });
  const [present, written] = tars.map((tar) => ({ id: sha256(tar), bytes: tar.length }));
  expect(events.filter(({ type }) => type !== "progress" && type !== "stage")).toEqual([
    {
      type: "plan",
      components: [
        { ...present, present: true },
        { ...written, present: false },
      ],
    },
    { type: "skip", ...present },
    { type: "start", ...written },
    { type: "done", ...written, stats: null },
  ]);
});

test("an abort ends it before the manifest", async () => {
  await store(fakeImage(repository));
  const signal = AbortSignal.abort(new Error("stop"));
  await expect(exportImage(repository, "app", sink, { signal })).rejects.toThrow("stop");
  expect(sink.manifests).toEqual([]);
});
