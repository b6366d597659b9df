import { buildImage, imageId, type ObjectId, type Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { digestOf } from "../../src/digest.ts";
import { fsckImages } from "../../src/fsck/fsck.ts";
import { imageToMount } from "../../src/image/image-to-mount.ts";
import { linkedErofsImages } from "../../src/image/linked-erofs-images.ts";
import { storeBlobLayer } from "../../src/layer/blob-layer.ts";
import { storeTarLayer } from "../../src/layer/import-layer.ts";
import type { ImageSource } from "../../src/pull/image-source.ts";
import { importImage } from "../../src/pull/import-image.ts";
import { bootTree } from "../../src/tree/boot-tree.ts";
import { names, removeRepositories, state, tempRepository } from "../temp-repository.ts";
import { dir, file, type TestEntry, tarBytes } from "../tree/tar-builder.ts";

const SYSTEM = [dir("usr"), dir("boot"), file("boot/x"), dir("sysroot"), file("usr/tool", "t".repeat(300))];

let repository: Repository;
beforeEach(async () => {
  repository = await tempRepository();
});
afterEach(removeRepositories);

/** A PAX header that gives the next entry a time, and a user attribute if asked for. */
function pax(mtime: string, xattr = false): TestEntry {
  const records = [`mtime=${mtime}`, ...(xattr ? ["SCHILY.xattr.user.x=y"] : [])];
  const content = records.map((record) => {
    const length = record.length + 2;
    const digits = `${length + String(length).length}`.length;
    return `${length + digits} ${record}\n`;
  });
  return { path: "pax", type: "x", content: content.join("") };
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function source(entries: readonly TestEntry[], labels: Readonly<Record<string, string>> = {}): ImageSource {
  const tar = tarBytes(entries);
  const diffId = digestOf(tar);
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
      os: "linux",
      config: { Labels: labels },
      rootfs: { type: "layers", diff_ids: [diffId] },
    }),
  );
  const layers = [{ mediaType: "application/vnd.oci.image.layer.v1.tar", digest: diffId, size: tar.length }];
  const digest = digestOf(config);
  const descriptor = { mediaType: "application/vnd.oci.image.config.v1+json", digest, size: config.length };
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, config: descriptor, layers }));
  const layer = { diffId, bytes: null, store: () => storeTarLayer(repository, diffId, one(tar)) };
  return { manifest, config, layers: [layer] };
}

/** Times with nanoseconds of their own, and an attribute that only one mode keeps. */
const TIMED = [pax("5.5", true), dir("usr"), pax("7.25"), dir("boot"), pax("8.75"), dir("sysroot")];

describe("an expected image to boot", () => {
  test.each([
    ["allowlist-only", 1, ""],
    ["allowlist-only", 2, ""],
    ["keep-user-xattrs", 1, ".xattrs=keep-user-xattrs"],
    ["keep-user-xattrs", 2, ".xattrs=keep-user-xattrs"],
  ] as const)("is found in mode %s, format %i, of 0.9.0 too", async (xattrs, version, suffix) => {
    const image = source(TIMED);
    const tar = await storeTarLayer(repository, digestOf(tarBytes(TIMED)), one(tarBytes(TIMED)));
    const { root } = await bootTree(repository, [{ diffId: digestOf(tarBytes(TIMED)), id: tar.id }], { xattrs });
    const idOf = (): ObjectId => imageId(buildImage(root, { version, hash: "sha256" }), "sha256");
    const now = idOf();
    // What 0.9.0 did, by oci.md §6.1: the seconds of /usr, and the nanoseconds that were there.
    for (const [name, nanoseconds] of [
      ["boot", 250_000_000],
      ["sysroot", 750_000_000],
    ] as const) {
      const node = [...root.entries].find(([entry]) => entry === name)?.[1];
      if (node !== undefined) node.stat.mtimeNanoseconds = nanoseconds;
    }
    const before = idOf();
    // Format 2 has no nanoseconds.
    expect(before === now).toBe(version === 2);
    for (const expectedBootImage of [now, before]) {
      const result = await importImage(repository, image, { tag: "x", bootable: true, expectedBootImage });
      expect(result.bootImages).toMatchObject({ wanted: new Map([[version, expectedBootImage]]), xattrs });
      const { namedRefs } = await repository.openStream(`oci-config-${result.configDigest}`);
      const key = `composefs.image.boot${version === 2 ? "" : ".v1"}${suffix}`;
      expect(namedRefs.get(key)).toBe(expectedBootImage);
      expect([...namedRefs.keys()].filter((name) => name.includes("boot"))).toEqual([key]);
      expect(await imageToMount(repository, "x", { bootable: true })).toBe(expectedBootImage);
      expect(await linkedErofsImages(repository, expectedBootImage)).toContainEqual({
        id: expectedBootImage,
        bootable: true,
        version,
        xattrMode: xattrs,
      });
      const again = await importImage(repository, image, { tag: "x", bootable: true, expectedBootImage });
      expect(again).toMatchObject({ changed: false, bootImages: result.bootImages });
    }
  });

  test("that is another leaves names as they were", async () => {
    await importImage(repository, source(SYSTEM), { tag: "x" });
    const before = names(repository);
    const expectedBootImage = "1".repeat(64) as ObjectId;
    const pulled = importImage(repository, source(TIMED), { tag: "x", bootable: true, expectedBootImage });
    await expect(pulled).rejects.toMatchObject({ code: "BOOT_IMAGE_MISMATCH" });
    expect(names(repository)).toEqual(before);
  });
});

test("references to images to boot stand after the others, sorted by name", async () => {
  const options = { tag: "x", bootable: true };
  await importImage(repository, source(SYSTEM), options);
  const result = await importImage(repository, source(SYSTEM), { ...options, erofsVersion: 2 });
  const { namedRefs } = await repository.openStream(`oci-config-${result.configDigest}`);
  const bytes = Buffer.from(await repository.objects.read(result.configId));
  // The header says where the table of ranges is, whose first range is that of the references (oci.md §2.2).
  const table = Number(bytes.readBigUInt64LE(16));
  const section = bytes.subarray(Number(bytes.readBigUInt64LE(table)), Number(bytes.readBigUInt64LE(table + 8)));
  const streamRefs = section.toString("hex").match(/.{64}/g) ?? [];
  const keys = ["composefs.image", "composefs.image.v1", "composefs.image.boot", "composefs.image.boot.v1"];
  expect(streamRefs.slice(1)).toEqual(keys.map((key) => namedRefs.get(key)));
  expect(new Set(streamRefs).size).toBe(5);
});

test("an artifact to boot is refused before anything of it is fetched", async () => {
  const blob = Buffer.from("blob");
  const config = Buffer.from("{}");
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: "application/vnd.oci.empty.v1+json", digest: digestOf(config), size: 2 },
      layers: [{ mediaType: "text/plain", digest: digestOf(blob), size: 4 }],
    }),
  );
  const layer = {
    diffId: digestOf(blob),
    bytes: null,
    store: () => storeBlobLayer(repository, digestOf(blob), one(blob)),
  };
  const before = state(repository);
  const artifact = { manifest, config, layers: [layer] };
  await expect(importImage(repository, artifact, { bootable: true })).rejects.toMatchObject({
    code: "MANIFEST_UNSUPPORTED",
  });
  expect(state(repository)).toEqual(before);
});

test("an image that cannot be booted gets no name", async () => {
  const pulled = importImage(repository, source([dir("usr"), dir("boot")]), { tag: "x", bootable: true });
  await expect(pulled).rejects.toMatchObject({ code: "TREE_INVALID" });
  expect(names(repository)).toEqual({});
});

test("a seal that fits none of the images is told of, and found by fsck", async () => {
  const label = "containers.composefs.fsverity";
  const pull = async (seal: string, bootable: boolean): Promise<string[]> => {
    const notes: string[] = [];
    await importImage(repository, source(SYSTEM, { [label]: seal }), {
      tag: "x",
      bootable,
      onProgress: (event) => {
        if (event.type === "note") notes.push(event.text);
      },
    });
    return notes;
  };
  const { imageIds, bootImages } = await importImage(repository, source(SYSTEM), { tag: "plain", bootable: true });
  const [plain, boot] = [imageIds.get(1), bootImages?.wanted.get(1)] as [string, string];
  expect(await pull(plain, false)).toEqual([]);
  expect(await pull(boot, true)).toEqual([]);
  expect(await fsckImages(repository, { image: "x" })).toMatchObject({ findings: [] });
  const [note, ...more] = await pull("0".repeat(64), true);
  expect(note).toContain(label);
  expect(more).toEqual([]);
  expect(await fsckImages(repository, { image: "x" })).toMatchObject({ findings: [{ kind: "seal-image-missing" }] });
});
