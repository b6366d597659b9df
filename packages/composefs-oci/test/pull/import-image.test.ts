import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildImage, contentType, type ObjectId, objectPath, type Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { fsckImages } from "../../src/fsck/fsck.ts";
import { openImage } from "../../src/image/image.ts";
import { untagImage } from "../../src/image/tag-image.ts";
import { listTags } from "../../src/image/tags.ts";
import { storeBlobLayer } from "../../src/layer/blob-layer.ts";
import { storeTarLayer } from "../../src/layer/import-layer.ts";
import type { ProgressEvent } from "../../src/progress.ts";
import type { ImageSource, SourceLayer } from "../../src/pull/image-source.ts";
import { importImage } from "../../src/pull/import-image.ts";
import { imageTree } from "../../src/tree/image-tree.ts";
import { ociError } from "../code-of.ts";
import { type FakeImage, fakeImage, oneFile } from "../fake-image.ts";
import { chunked, noise, sha256, tar, USR } from "../tar-builder.ts";
import { imageNames, names, removeRepositories, state, tempRepository } from "../temp-repository.ts";

let repository: Repository;
beforeEach(async () => {
  repository = await tempRepository();
});
afterEach(removeRepositories);

const objectFile = (id: ObjectId): string => join(repository.path, "objects", objectPath(id));

test("an image: layers, EROFS image, config, manifest, tag", async () => {
  const image = fakeImage(repository);
  const result = await importImage(repository, image.source, { tag: "app" });
  expect(result).toMatchObject({
    kind: "container",
    manifestDigest: image.manifestDigest,
    configDigest: image.configDigest,
    tag: "app",
    changed: true,
    stats: { layers: 3, layersAlreadyPresent: 0, objectsCopied: 3, bytesCopied: 3000 },
  });
  expect(Object.keys(names(repository)).sort()).toEqual(
    [
      ...image.diffIds.map((diffId) => `oci-layer-${diffId}`),
      `oci-config-${image.configDigest}`,
      `oci-manifest-${image.manifestDigest}`,
      "refs/oci/app",
    ].sort(),
  );
  const config = await repository.openStream(`oci-config-${image.configDigest}`);
  const layers = await Promise.all(image.diffIds.map((diffId) => repository.openStream(`oci-layer-${diffId}`)));
  const layerRefs = image.diffIds.map((diffId, i) => [diffId, layers[i]?.id] as const);
  const erofs = result.imageIds.get(1) as ObjectId;
  expect([...result.imageIds.keys()]).toEqual([1]);
  expect(imageNames(repository)).toEqual({ [erofs]: `../objects/${objectPath(erofs)}` });
  expect(config.namedRefs).toEqual(new Map([...layerRefs, ["composefs.image.v1", erofs]]));
  const manifest = await repository.openStream(`oci-manifest-${image.manifestDigest}`);
  expect(manifest.namedRefs).toEqual(new Map([[`config:${image.configDigest}`, config.id], ...layerRefs]));
  expect(result).toMatchObject({ configId: config.id, manifestId: manifest.id });
});

test("without a tag nothing is tagged", async () => {
  expect(await importImage(repository, fakeImage(repository).source)).toMatchObject({ tag: null });
  expect(listTags(repository)).toEqual([]);
});

test("again: nothing is asked for, nothing changes", async () => {
  const tars = [oneFile(), oneFile()];
  const first = await importImage(repository, fakeImage(repository, { tars }).source, { tag: "app" });
  const before = state(repository);
  const image = fakeImage(repository, { tars });
  const again = await importImage(repository, image.source, { tag: "app" });
  expect(again).toEqual({
    ...first,
    changed: false,
    stats: expect.objectContaining({ layers: 2, layersAlreadyPresent: 2, objectsAlreadyPresent: 2, objectsCopied: 0 }),
  });
  expect(image.stored).toEqual([]);
  expect(state(repository)).toEqual(before);
  expect(await importImage(repository, image.source, { tag: "other" })).toMatchObject({ changed: true });
});

test("a diff_id that comes twice is stored once", async () => {
  const [one, two] = [oneFile(), oneFile()];
  const image = fakeImage(repository, { tars: [one, two, one, one] });
  const { stats } = await importImage(repository, image.source);
  expect(stats).toMatchObject({ layers: 4, layersAlreadyPresent: 2, objectsCopied: 2, objectsAlreadyPresent: 0 });
  expect([...image.stored].sort()).toEqual([sha256(one), sha256(two)].sort());
  const { namedRefs } = await repository.openStream(`oci-config-${image.configDigest}`);
  expect([...namedRefs.keys()].sort()).toEqual(["composefs.image.v1", sha256(one), sha256(two)].sort());
});

test.each<[string, () => Buffer[]]>([
  ["no layers", () => []],
  ["layers without /usr", () => [tar([{ name: "file", content: noise(1000) }]), tar([])]],
  ["/usr that a whiteout takes away", () => [oneFile(), tar([{ name: ".wh.usr" }])]],
])("TREE_INVALID: an image with %s gets no name, nor do its layers", async (_, tars) => {
  const image = fakeImage(repository, { tars: tars() });
  await expect(importImage(repository, image.source, { tag: "app" })).rejects.toMatchObject({
    name: "ComposefsError",
    code: "TREE_INVALID",
  });
  expect(names(repository)).toEqual({});
  expect(imageNames(repository)).toEqual({});
});

test("the ids do not depend on which layer is ready first", async () => {
  const tars = [oneFile(10), oneFile(100_000), oneFile(1000)];
  const ids = await Promise.all(
    [0, 1, 2].map(async (slow) => {
      const other = await tempRepository();
      const onStore = async (index: number): Promise<void> => {
        if (index === slow) await new Promise((resolve) => setTimeout(resolve, 20));
      };
      const { configId, manifestId } = await importImage(other, fakeImage(other, { tars, onStore }).source);
      return `${configId} ${manifestId}`;
    }),
  );
  expect(new Set(ids).size).toBe(1);
});

test("the tree is made of the layers that are there while others are still being stored", async () => {
  const open = repository.openStreamObject.bind(repository);
  const reading = new Promise<void>((resolve) => {
    vi.spyOn(repository, "openStreamObject").mockImplementation((id, name) => {
      resolve();
      return open(id, name);
    });
  });
  const onStore = async (index: number): Promise<void> => {
    if (index === 1) await reading;
  };
  const { imageIds } = await importImage(repository, fakeImage(repository, { onStore }).source);
  expect(imageIds.size).toBe(1);
});

test("a layer that tells its parts is not read again for the tree, which is the same", async () => {
  const base = oneFile(10);
  const tars = [base, oneFile(100_000), base, oneFile(2_000_000)];
  const other = await tempRepository();
  const expected = await importImage(other, fakeImage(other, { tars }).source);
  const open = vi.spyOn(repository, "openStreamObject");
  const told = await importImage(repository, fakeImage(repository, { tars, tellsParts: true }).source);
  expect(told.imageIds).toEqual(expected.imageIds);
  const read = open.mock.calls.map(([, name]) => name).filter((name) => name.startsWith("oci-layer-"));
  expect(read).toEqual([`oci-layer-${sha256(base)}`]); // it comes twice, and told its parts once
});

test("layers are asked for largest first, but by a source that reads them one after the other in their order", async () => {
  const tars = [oneFile(10), oneFile(100_000), oneFile(10_000)];
  const image = fakeImage(repository, { tars });
  await importImage(repository, image.source);
  expect(image.stored).toEqual([1, 2, 0].map((index) => image.diffIds[index]));
  const other = await tempRepository();
  const inOrder = fakeImage(other, { tars });
  await importImage(other, { ...inOrder.source, inOrder: true });
  expect(inOrder.stored).toEqual(inOrder.diffIds);
});

test("events: plan, skips, and start, progress, done for each layer", async () => {
  const [old, ...fresh] = [oneFile(), oneFile(2000), oneFile(3000)] as const;
  await importImage(repository, fakeImage(repository, { tars: [old] }).source);
  const events: ProgressEvent[] = [];
  await importImage(repository, fakeImage(repository, { tars: [old, ...fresh] }).source, {
    onProgress: (event) => events.push(event),
  });
  expect(events[0]).toMatchObject({
    type: "plan",
    components: [
      { id: sha256(old), present: true, bytes: old.length },
      ...fresh.map((bytes) => ({ id: sha256(bytes), present: false, bytes: bytes.length })),
    ],
  });
  const of = (id: string): string[] =>
    events.flatMap((event) => ("id" in event && event.id === id ? [event.type] : []));
  expect(of(sha256(old))).toEqual(["skip"]);
  for (const bytes of fresh) {
    expect(of(sha256(bytes))).toEqual(["start", "progress", "done"]);
    expect(events).toContainEqual(expect.objectContaining({ type: "done", id: sha256(bytes), bytes: bytes.length }));
  }
  expect(events.flatMap((event) => (event.type === "stage" ? [event.stage] : []))).toEqual([
    "layers",
    "erofs",
    "commit",
  ]);
});

test("the source is told what will be stored before anything is", async () => {
  const [old, fresh] = [oneFile(), oneFile()];
  await importImage(repository, fakeImage(repository, { tars: [old] }).source);
  const before = state(repository);
  const { source } = fakeImage(repository, { tars: [old, fresh] });
  const refusal = new Error("not this one");
  const prepare = async (layers: readonly { diffId: string }[]): Promise<void> => {
    expect(layers.map(({ diffId }) => diffId)).toEqual([sha256(fresh)]);
    throw refusal;
  };
  await expect(importImage(repository, { ...source, prepare })).rejects.toBe(refusal);
  expect(state(repository)).toEqual(before);
});

describe("a layer that is not what its diff_id says, taken all the same", () => {
  const withWrongLayer = (image: FakeImage): ImageSource => ({
    ...image.source,
    layers: image.source.layers.map((layer, i) =>
      i === 2
        ? {
            ...layer,
            store: ({ signal }) =>
              storeTarLayer(repository, layer.diffId, chunked(oneFile(555)), { signal, verify: false }),
          }
        : layer,
    ),
  });

  test("is not found by it: a sound image gets its own, and fsck tells the wrong one", async () => {
    const image = fakeImage(repository);
    const notes: string[] = [];
    const onProgress = (event: ProgressEvent): void => {
      if (event.type === "note") notes.push(event.text);
    };
    const wrong = await importImage(repository, withWrongLayer(image), { tag: "wrong", onProgress });
    expect(notes).toEqual([`layer ${image.diffIds[2]} is not what its diff_id says`]);
    const [below, above, own] = image.diffIds.map((id) => `oci-layer-${id}`);
    expect(Object.keys(names(repository))).toEqual(expect.arrayContaining([below, above]));
    expect(names(repository)).not.toHaveProperty([own as string]);
    expect((await fsckImages(repository)).findings.map(({ kind }) => kind)).toEqual(["layer-stream-missing"]);

    untagImage(repository, "wrong");
    image.stored.length = 0;
    const sound = await importImage(repository, image.source, { tag: "sound" });
    expect(image.stored).toEqual([image.diffIds[2]]);
    expect(sound.configId).not.toBe(wrong.configId);
    expect(sound.imageIds.get(1)).not.toBe(wrong.imageIds.get(1));
    expect((await fsckImages(repository)).findings).toEqual([]);
  });
});

describe("two layers of one diff_id made of two blobs", () => {
  const twice = (): FakeImage & { readonly twoBlobs: ImageSource } => {
    const content = oneFile();
    const image = fakeImage(repository, { tars: [content, content] });
    const layers = image.source.layers.map((layer, i) => ({ ...layer, blob: sha256(Buffer.from(`blob ${i}`)) }));
    return { ...image, twoBlobs: { ...image.source, layers } };
  };

  test("are both read", async () => {
    const image = twice();
    await importImage(repository, image.twoBlobs, { tag: "app" });
    expect(image.stored).toEqual([image.diffIds[0], image.diffIds[0]]);
  });

  test("of one blob are read once", async () => {
    const image = twice();
    await importImage(repository, image.source, { tag: "app" });
    expect(image.stored).toEqual([image.diffIds[0]]);
  });

  test("with other contents are refused, checked or not", async () => {
    const { twoBlobs } = twice();
    const [first, second] = twoBlobs.layers as [SourceLayer, SourceLayer];
    const store: SourceLayer["store"] = ({ signal }) =>
      storeTarLayer(repository, second.diffId, chunked(oneFile(555)), { signal, verify: false });
    const source = { ...twoBlobs, layers: [first, { ...second, store }] };
    await expect(importImage(repository, source, { tag: "app" })).rejects.toMatchObject(ociError("DIFF_ID_MISMATCH"));
    expect(names(repository)).toEqual({});
  });
});

describe("a damaged image is repaired by importing it again", () => {
  test.each<[string, (streams: Record<"manifest" | "config", ObjectId>, json: ObjectId) => void]>([
    ["manifest stream gone", ({ manifest }) => rmSync(objectFile(manifest))],
    ["manifest stream changed", ({ manifest }) => writeFileSync(objectFile(manifest), "junk")],
    ["manifest gone", (_, json) => rmSync(objectFile(json))],
    ["config stream gone", ({ config }) => rmSync(objectFile(config))],
  ])("%s", async (_, damage) => {
    const tars = [oneFile(), oneFile()];
    const image = fakeImage(repository, { tars });
    const first = await importImage(repository, image.source, { tag: "app" });
    const before = state(repository);
    const { objectRefs } = await repository.openStream(`oci-manifest-${image.manifestDigest}`);
    damage({ manifest: first.manifestId, config: first.configId }, objectRefs[0] as ObjectId);
    const again = fakeImage(repository, { tars });
    const result = await importImage(repository, again.source, { tag: "app" });
    expect(result).toMatchObject({ manifestId: first.manifestId, configId: first.configId });
    expect(again.stored).toEqual([]);
    expect(state(repository)).toEqual(before);
  });

  test("names gone: only they are written", async () => {
    const tars = [oneFile()];
    const image = fakeImage(repository, { tars });
    await importImage(repository, image.source, { tag: "app" });
    const before = state(repository);
    rmSync(join(repository.path, "streams", `oci-manifest-${image.manifestDigest}`));
    expect(await importImage(repository, image.source, { tag: "app" })).toMatchObject({ changed: true });
    expect(state(repository)).toEqual(before);
  });

  test("a layer that lost an object is stored again, the others not", async () => {
    const tars = [oneFile(), oneFile()];
    await importImage(repository, fakeImage(repository, { tars }).source);
    const [, second] = tars.map(sha256);
    const { objectRefs } = await repository.openStream(`oci-layer-${second}`);
    rmSync(objectFile(objectRefs[0] as ObjectId));
    const again = fakeImage(repository, { tars });
    expect(await importImage(repository, again.source)).toMatchObject({ changed: false });
    expect(again.stored).toEqual([second]);
  });
});

test("references to EROFS images in a config are kept", async () => {
  const tars = [oneFile()];
  const image = fakeImage(repository, { tars });
  const first = await importImage(repository, image.source);
  // The image in another format, and the references in another order than ours (oci.md §3.3, §11.3).
  const tree = await imageTree(repository, await openImage(repository, image.manifestDigest));
  const erofs = await repository.objects.put(buildImage(tree, { version: 2, hash: repository.hash }), "test");
  const config = await repository.openStreamObject(first.configId, "test");
  const stream = repository.createStream(contentType("ociconfg"));
  stream.external(config.objectRefs[0] as ObjectId, image.source.config.length);
  for (const [name, id] of config.namedRefs) stream.ref(name, id);
  stream.ref("composefs.image", erofs);
  const final = await repository.objects.put(stream.finish(), "test");
  await repository.publish({ streams: [{ contentId: `oci-config-${image.configDigest}`, id: final }] });

  const again = await importImage(repository, image.source);
  expect(again).toMatchObject({ configId: final, imageIds: first.imageIds });
  const { namedRefs: kept } = await repository.openStream(`oci-config-${image.configDigest}`);
  expect(kept).toEqual(new Map([...config.namedRefs, ["composefs.image", erofs]]));
  const { namedRefs } = await repository.openStream(`oci-manifest-${image.manifestDigest}`);
  expect(namedRefs.get(`config:${image.configDigest}`)).toBe(final);
  expect((await importImage(repository, image.source)).changed).toBe(false);
});

test("a manifest stream with its references in another order, as the reference writes it, is kept", async () => {
  const image = fakeImage(repository);
  const first = await importImage(repository, image.source);
  const manifest = await repository.openStreamObject(first.manifestId, "test");
  const stream = repository.createStream(contentType("ocimanif"));
  stream.external(manifest.objectRefs[0] as ObjectId, image.source.manifest.length);
  for (const [name, id] of [...manifest.namedRefs].toReversed()) stream.ref(name, id);
  const other = await repository.objects.put(stream.finish(), "test");
  expect(other).not.toBe(first.manifestId);
  await repository.publish({ streams: [{ contentId: `oci-manifest-${image.manifestDigest}`, id: other }] });
  expect(await importImage(repository, image.source)).toMatchObject({ manifestId: other, changed: false });
});

test("artifacts share the empty config, and each keeps its own layers", async () => {
  const artifact = (content: string) => {
    const bytes = Buffer.from(content);
    const digest = sha256(bytes);
    const image = fakeImage(repository, {
      tars: [],
      config: Buffer.from("{}"),
      configType: "application/vnd.oci.empty.v1+json",
      manifest: { layers: [{ mediaType: "text/plain", digest, size: bytes.length }] },
    });
    const layers = [
      { diffId: digest, bytes: bytes.length, store: () => storeBlobLayer(repository, digest, chunked(bytes)) },
    ];
    return { image, digest, source: { ...image.source, layers } };
  };
  const [one, two] = [artifact("one"), artifact("two")];
  expect(await importImage(repository, one.source, { tag: "one" })).toMatchObject({ kind: "artifact" });
  await importImage(repository, two.source, { tag: "two" });
  const { namedRefs } = await repository.openStream(`oci-config-${sha256("{}")}`);
  // oci.md §11.4: the config stays as the first artifact left it.
  expect([...namedRefs.keys()]).toEqual([one.digest]);
  for (const { image, digest } of [one, two]) {
    const { namedRefs: refs } = await repository.openStream(`oci-manifest-${image.manifestDigest}`);
    expect([...refs.keys()]).toEqual([`config:${sha256("{}")}`, digest]);
  }
  expect(listTags(repository).map(({ name }) => name)).toEqual(["one", "two"]);
});

test("a layer that an artifact left as a blob becomes a tar for a container", async () => {
  const bytes = tar([USR, { name: "f" }]);
  const blob = await storeBlobLayer(repository, sha256(bytes), chunked(bytes));
  await repository.publish({ streams: [{ contentId: `oci-layer-${sha256(bytes)}`, id: blob.id }] });
  const image = fakeImage(repository, { tars: [bytes] });
  await importImage(repository, image.source);
  expect(image.stored).toEqual([sha256(bytes)]);
  expect((await repository.openStream(`oci-layer-${sha256(bytes)}`)).type).toBe("ocilayer");
});
