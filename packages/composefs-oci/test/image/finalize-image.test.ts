import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ErofsFormats, initRepository, type ObjectId, Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf, type OciDigest } from "../../src/digest.ts";
import { openImage } from "../../src/image/image.ts";
import { imageFormat } from "../../src/image/image-refs.ts";
import { storeTarLayer } from "../../src/layer/import-layer.ts";
import type { ImageSource } from "../../src/pull/image-source.ts";
import { importImage, type PullResult } from "../../src/pull/import-image.ts";
import { dir, file, type TestEntry, tarBytes } from "../tree/tar-builder.ts";

const SYSTEM = [dir("usr"), file("usr/tool", "t".repeat(300)), file("usr/small")];

let directory: string;
let repository: Repository;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "oci-finalize-"));
});
afterEach(async () => {
  await repository?.close();
  rmSync(directory, { recursive: true });
});

async function open(formats: ErofsFormats): Promise<void> {
  initRepository(directory, { hash: "sha256", insecure: true, erofs: formats });
  repository = await Repository.open(directory);
}

/** An image with a layer for each list of entries. */
function source(...layers: (readonly TestEntry[])[]): ImageSource {
  const tars = layers.map(tarBytes);
  const diffIds = tars.map((tar) => `sha256:${createHash("sha256").update(tar).digest("hex")}` as OciDigest);
  const config = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: diffIds } }),
  );
  const descriptor = (mediaType: string, bytes: Uint8Array): object => {
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: descriptor("application/vnd.oci.image.config.v1+json", config),
      layers: tars.map((tar) => descriptor("application/vnd.oci.image.layer.v1.tar", tar)),
    }),
  );
  return {
    manifest,
    config,
    layers: tars.map((tar, i) => {
      const diffId = diffIds[i] as OciDigest;
      return { diffId, bytes: tar.length, store: () => storeTarLayer(repository, diffId, chunks(tar)) };
    }),
  };
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function imageKeys(result: PullResult): Promise<Record<string, ObjectId>> {
  const { configRefs } = await openImage(repository, result.manifestDigest);
  return Object.fromEntries([...configRefs].filter(([name]) => name.startsWith("composefs.")));
}

/** All links and objects by name. */
function state(): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
}

async function formatOf(id: ObjectId | undefined): Promise<number | null> {
  return id === undefined ? null : imageFormat(await repository.objects.read(id));
}

describe("formats", () => {
  test.each<[string, ErofsFormats, Record<string, number>]>([
    ["0", { default: 0, extra: [] }, { "composefs.image.v1": 0 }],
    ["1", { default: 1, extra: [] }, { "composefs.image.v1": 1 }],
    ["2", { default: 2, extra: [] }, { "composefs.image": 2 }],
    ["1 and 2", { default: 1, extra: [2] }, { "composefs.image": 2, "composefs.image.v1": 1 }],
    ["0, with 1 besides", { default: 0, extra: [1] }, { "composefs.image.v1": 0 }],
    ["1, with 0 besides", { default: 1, extra: [0] }, { "composefs.image.v1": 1 }],
  ])("%s", async (_, formats, keys) => {
    await open(formats);
    const result = await importImage(repository, source(SYSTEM));
    expect([...result.imageIds.keys()]).toEqual([formats.default, ...formats.extra]);
    for (const [version, id] of result.imageIds) expect(await formatOf(id)).toBe(version);
    const found = await imageKeys(result);
    const formatsFound = await Promise.all(Object.entries(found).map(async ([key, id]) => [key, await formatOf(id)]));
    expect(Object.fromEntries(formatsFound)).toEqual(keys);
    expect(readdirSync(join(directory, "images")).sort()).toEqual([...result.imageIds.values()].sort());
  });
});

describe("a second import", () => {
  test("writes nothing", async () => {
    await open({ default: 1, extra: [2] });
    const first = await importImage(repository, source(SYSTEM), { tag: "x" });
    const before = state();
    const second = await importImage(repository, source(SYSTEM), { tag: "x" });
    expect({ ...second, stats: null }).toEqual({ ...first, changed: false, stats: null });
    expect(state()).toEqual(before);
  });

  test("with another format adds its image and keeps the first", async () => {
    await open({ default: 1, extra: [] });
    const first = await importImage(repository, source(SYSTEM));
    const second = await importImage(repository, source(SYSTEM), { erofsVersion: 2 });
    expect([...second.imageIds.keys()]).toEqual([2]);
    expect(await imageKeys(second)).toEqual({
      "composefs.image": second.imageIds.get(2),
      "composefs.image.v1": first.imageIds.get(1),
    });
    const third = await importImage(repository, source(SYSTEM));
    expect(third).toMatchObject({ changed: false, imageIds: first.imageIds, configId: second.configId });
  });

  test("in whatever order the formats come, the streams are the same", async () => {
    await open({ default: 1, extra: [] });
    await importImage(repository, source(SYSTEM));
    const { configId, manifestId } = await importImage(repository, source(SYSTEM), { erofsVersion: 2 });
    await repository.close();
    rmSync(directory, { recursive: true });
    await open({ default: 2, extra: [] });
    await importImage(repository, source(SYSTEM));
    expect(await importImage(repository, source(SYSTEM), { erofsVersion: 1 })).toMatchObject({ configId, manifestId });
  });

  test("with format 0 leaves the name of formats 0 and 1 to the repository's", async () => {
    await open({ default: 1, extra: [] });
    const first = await importImage(repository, source(SYSTEM));
    const second = await importImage(repository, source(SYSTEM), { erofsVersion: 0 });
    expect(await imageKeys(second)).toEqual({ "composefs.image.v1": first.imageIds.get(1) });
    expect(existsSync(join(directory, "images", second.imageIds.get(0) as string))).toBe(true);
  });

  test("gives it to the repository's format when that comes later", async () => {
    await open({ default: 1, extra: [] });
    await importImage(repository, source(SYSTEM), { erofsVersion: 0 });
    const result = await importImage(repository, source(SYSTEM));
    expect(await imageKeys(result)).toEqual({ "composefs.image.v1": result.imageIds.get(1) });
    expect(await formatOf(result.imageIds.get(1))).toBe(1);
  });

  test("makes a damaged image's name good again", async () => {
    await open({ default: 1, extra: [] });
    const first = await importImage(repository, source(SYSTEM));
    const id = first.imageIds.get(1) as string;
    rmSync(join(directory, "images", id));
    rmSync(join(directory, "objects", id.slice(0, 2), id.slice(2)));
    const second = await importImage(repository, source(SYSTEM));
    expect(second).toMatchObject({ changed: true, imageIds: first.imageIds, configId: first.configId });
    expect(await formatOf(second.imageIds.get(1))).toBe(1);
  });

  test("keeps boot images, in order of their names", async () => {
    await open({ default: 1, extra: [] });
    const image = source(SYSTEM);
    const first = await importImage(repository, image);
    const { configDigest, configBytes, configRefs } = await openImage(repository, first.manifestDigest);
    const boot = first.imageIds.get(1) as ObjectId;
    const stream = repository.createStream("ociconfg" as Parameters<Repository["createStream"]>[0]);
    stream.external(await repository.objects.put(configBytes, "config"), configBytes.length);
    for (const [name, id] of configRefs) if (!name.startsWith("composefs.")) stream.ref(name, id);
    stream.ref("composefs.image.boot.v1", boot);
    stream.ref("composefs.image.boot", boot);
    const id = await repository.objects.put(stream.finish(), "config stream");
    await repository.publish({ streams: [{ contentId: `oci-config-${configDigest}`, id }] });
    const second = await importImage(repository, image);
    expect(await imageKeys(second)).toEqual({
      "composefs.image.v1": boot,
      "composefs.image.boot": boot,
      "composefs.image.boot.v1": boot,
    });
  });
});

describe("what no image can be made of", () => {
  test.each<[string, (readonly TestEntry[])[], string]>([
    ["no /usr", [[dir("etc")]], "TREE_INVALID"],
    ["/usr that is a file", [[file("usr")]], "TREE_INVALID"],
    ["/run that is a file", [[...SYSTEM, file("run")]], "TREE_INVALID"],
    ["a missing parent in an upper layer", [SYSTEM, [file("opt/x")]], "LAYER_UNSUPPORTED"],
    ["no layers", [], "TREE_INVALID"],
  ])("gets no name: %s", async (_, layers, code) => {
    await open({ default: 1, extra: [] });
    await expect(importImage(repository, source(...layers), { tag: "x" })).rejects.toMatchObject({ code });
    expect(repository.listStreams()).toEqual([]);
    expect(repository.listRefs("streams")).toEqual([]);
    expect(existsSync(join(directory, "images")) ? readdirSync(join(directory, "images")) : []).toEqual([]);
  });
});

test("whiteouts in the reference's reading make another image of the same layers", async () => {
  await open({ default: 1, extra: [] });
  const image = source([...SYSTEM, file("usr/.wh.small", "")]);
  const own = await importImage(repository, image);
  const compat = await importImage(repository, image, { compatWhiteouts: true });
  expect(compat.imageIds.get(1)).not.toBe(own.imageIds.get(1));
  expect(await imageKeys(compat)).toEqual({ "composefs.image.v1": compat.imageIds.get(1) });
});

test("a cancelled import names the layers alone", async () => {
  await open({ default: 1, extra: [] });
  const controller = new AbortController();
  const pull = importImage(repository, source(SYSTEM), {
    signal: controller.signal,
    onProgress: (event) => {
      if (event.type === "stage" && event.stage === "commit") controller.abort(new Error("enough"));
    },
  });
  await expect(pull).rejects.toThrow("enough");
  expect(repository.listStreams().map((name) => name.replace(/:.*/, ""))).toEqual(["oci-layer-sha256"]);
});
