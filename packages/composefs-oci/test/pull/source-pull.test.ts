import { gzipSync } from "node:zlib";
import type { Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import { OciError } from "../../src/errors.ts";
import { openImage } from "../../src/image/image.ts";
import type { Descriptor } from "../../src/image/manifest.ts";
import type { ProgressEvent } from "../../src/progress.ts";
import { pullFromSource } from "../../src/pull/source-pull.ts";
import { ociError } from "../code-of.ts";
import { oneFile } from "../fake-image.ts";
import { MemorySource } from "../memory-source.ts";
import { noise, sha256 } from "../tar-builder.ts";
import { names, removeRepositories, state, tempRepository } from "../temp-repository.ts";

const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
const LINUX_ARM = { os: "linux", architecture: "arm64", variant: null };

let repository: Repository;
let source: MemorySource;
beforeEach(async () => {
  repository = await tempRepository();
  source = new MemorySource();
});
afterEach(removeRepositories);

const plain = (size?: number) => {
  const blob = oneFile(size);
  return { blob, diffId: sha256(blob) };
};
const zipped = (size?: number) => {
  const blob = oneFile(size);
  return { blob: gzipSync(blob), diffId: sha256(blob), mediaType: GZIP };
};

test("documents first, then the layers, the largest blob first", async () => {
  const layers = [plain(1000), plain(90_000), zipped(5000)];
  const manifest = source.image(layers);
  source.add(manifest);
  const events: ProgressEvent[] = [];
  const result = await pullFromSource(repository, source, { tag: "x", onProgress: (event) => events.push(event) });
  expect(result).toMatchObject({ manifestDigest: manifest.digest, changed: true, stats: { layers: 3 } });
  const started = events.flatMap((event) => (event.type === "start" ? [[event.id, event.bytes]] : []));
  expect(started).toEqual([layers[1], layers[2], layers[0]].map((layer) => [layer?.diffId, layer?.blob.length]));
  for (const { diffId, blob } of layers) {
    const progress = events.flatMap((event) => (event.type === "progress" && event.id === diffId ? [event.done] : []));
    expect(progress.at(-1)).toBe(blob.length);
  }
  expect(new Set(source.read).size).toBe(source.read.length);
});

test("a layer that is there is not read, and neither are documents", async () => {
  const [shared, fresh] = [plain(), plain()];
  source.add(source.image([shared]));
  await pullFromSource(repository, source, { tag: "x" });
  source.entries.length = 0;
  source.read.length = 0;
  source.add(source.image([shared, fresh]));
  await pullFromSource(repository, source, { tag: "x" });
  expect(source.read).not.toContain(shared.diffId);
  expect(source.read).toContain(fresh.diffId);
  const before = state(repository);
  source.read.length = 0;
  expect(await pullFromSource(repository, source, { tag: "x" })).toMatchObject({ changed: false });
  expect(source.read).toEqual([]);
  expect(state(repository)).toEqual(before);
});

describe("which manifest", () => {
  const none = null;
  const amd = { os: "linux", architecture: "amd64", variant: null };
  const armv6 = { os: "linux", architecture: "arm", variant: "v6" };
  const armv7 = { os: "linux", architecture: "arm", variant: "v7" };

  test.each([
    ["of this platform", [LINUX_ARM, amd], amd, 1],
    ["the first of two", [amd, amd], amd, 0],
    ["of a certain variant", [armv6, armv7], armv7, 1],
    ["of the best variant", [armv6, armv7], { ...armv6, variant: null }, 1],
    ["of a variant that the wanted one runs", [LINUX_ARM, armv6], armv7, 1],
    ["by its config", [LINUX_ARM, none], amd, 1],
  ] as const)("%s", async (_, platforms, platform, expected) => {
    const manifests = platforms.map(() => source.image([plain()]));
    for (const [i, descriptor] of manifests.entries()) source.add(descriptor, platforms[i] ?? null);
    const { manifestDigest } = await pullFromSource(repository, source, { platform });
    expect(manifestDigest).toBe(manifests[expected]?.digest);
  });

  test("in an index, in its place", async () => {
    const [one, two] = [source.image([plain()]), source.image([plain()])];
    source.add(source.index([{ ...one, platform: { os: "linux", architecture: "s390x" } }]));
    source.add(source.index([{ ...two, platform: { os: "linux", architecture: "amd64" } }]));
    expect((await pullFromSource(repository, source, { platform: amd })).manifestDigest).toBe(two.digest);
  });

  test.each([
    ["v5", 0],
    ["v6", 1],
    ["v7", 2],
    [null, 3],
  ])("of an index for arm %s the best, and nothing is read after it", async (variant, expected) => {
    const images = ["v5", "v6", "v7", ""].map((of) => ({
      ...source.image([plain()]),
      platform: { os: "linux", architecture: "arm", variant: of },
    }));
    source.add(source.index(images));
    source.add({ ...source.index([]), digest: sha256(Buffer.from("an index that is not there")) });
    const { manifestDigest } = await pullFromSource(repository, source, { platform: { ...armv6, variant } });
    expect(manifestDigest).toBe(images[expected]?.digest);
  });

  test("an entry of an index whose platform says nothing is for the platform of its config", async () => {
    const arm = source.image([plain()], { config: { architecture: "arm64" } });
    const two = source.image([plain()]);
    source.add(source.index([arm, two].map((descriptor) => ({ ...descriptor, platform: {} }))));
    expect((await pullFromSource(repository, source, { platform: amd })).manifestDigest).toBe(two.digest);
  });

  test("an image for another platform is taken when it is alone and nothing is asked for", async () => {
    const other = { architecture: "none", os: "plan9" };
    source.add(source.image([plain()], { config: other }));
    expect((await pullFromSource(repository, source)).kind).toBe("container");
    const again = await tempRepository();
    for (const options of [{ strictPlatform: true }, { platform: amd }]) {
      await expect(pullFromSource(again, source, options)).rejects.toMatchObject(
        ociError("SOURCE_NOT_FOUND", { available: ["plan9/none"], source: "memory:image" }),
      );
    }
  });

  test("at most ten platforms are listed", async () => {
    const image = source.image([plain()]);
    for (let i = 0; i < 12; i++) source.add(image, { os: "os", architecture: `a${i}`, variant: null });
    const pulled = pullFromSource(repository, source);
    await expect(pulled).rejects.toThrow("os/a9, …");
    await expect(pulled).rejects.not.toThrow("os/a10");
  });

  test.each<[string, string, Partial<Descriptor>]>([
    ["schema 1", "MANIFEST_UNSUPPORTED", { mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws" }],
    ["anything else", "MANIFEST_UNSUPPORTED", { mediaType: "text/plain" }],
    ["one far too large", "MANIFEST_INVALID", { size: 2 ** 31 }],
    ["one of another size", "BLOB_DIGEST_MISMATCH", { size: 5 }],
    ["one of another digest", "BLOB_DIGEST_MISMATCH", { digest: `sha256:${"0".repeat(64)}` as OciDigest }],
  ])("%s is refused", async (_, code, changes) => {
    const image = source.image([plain()]);
    const descriptor = { ...image, ...changes };
    source.blobs.set(descriptor.digest, source.blobs.get(image.digest) as Uint8Array);
    source.add(descriptor);
    await expect(pullFromSource(repository, source)).rejects.toMatchObject({ code, hint: expect.any(String) });
    expect(names(repository)).toEqual({});
  });
});

describe("layers", () => {
  test("a blob that goes on is given up after its size", async () => {
    const layer = plain();
    source.add(source.image([layer]));
    let given = 0;
    source.readBlob = (descriptor) => {
      if (descriptor.digest !== layer.diffId) return MemorySource.prototype.readBlob.call(source, descriptor);
      return (async function* () {
        yield layer.blob;
        for (;;) {
          given += 1000;
          yield noise(1000);
        }
      })();
    };
    await expect(pullFromSource(repository, source)).rejects.toMatchObject(
      ociError("BLOB_DIGEST_MISMATCH", { expectedSize: layer.blob.length, layer: layer.diffId }),
    );
    expect(given).toBe(1000);
    expect(names(repository)).toEqual({});
  });

  test("a blob that is no tar, damaged on the way: the digest counts, the tar is the cause", async () => {
    const blob = Buffer.alloc(5000, "a");
    const layer = { blob, diffId: sha256(blob) };
    source.add(source.image([layer]));
    await expect(pullFromSource(repository, source)).rejects.toMatchObject({
      code: expect.stringMatching(/^(CHECKSUM_MISMATCH|INVALID_NUMBER)$/),
      details: { layer: layer.diffId, offset: 0, source: "memory:image" },
    });
    source.blobs.set(layer.diffId, Buffer.alloc(5000, "b"));
    await expect(pullFromSource(repository, source)).rejects.toMatchObject({
      code: "BLOB_DIGEST_MISMATCH",
      cause: { code: expect.stringMatching(/^(CHECKSUM_MISMATCH|INVALID_NUMBER)$/) },
    });
  });

  test("DIFF_ID_MISMATCH, unless it is not checked", async () => {
    const diffId = `sha256:${"1".repeat(64)}`;
    source.add(source.image([{ ...zipped(), diffId }]));
    await expect(pullFromSource(repository, source)).rejects.toMatchObject(
      ociError("DIFF_ID_MISMATCH", { expected: diffId, layer: diffId }),
    );
    expect(names(repository)).toEqual({});
    expect((await pullFromSource(repository, source, { verifyDiffId: false })).changed).toBe(true);
  });

  test("LAYER_UNSUPPORTED before anything is stored", async () => {
    source.add(source.image([{ ...plain(), mediaType: "text/plain" }]));
    const before = state(repository);
    await expect(pullFromSource(repository, source)).rejects.toMatchObject(ociError("LAYER_UNSUPPORTED"));
    expect(state(repository)).toEqual(before);
  });

  test("aborted in a layer", async () => {
    const controller = new AbortController();
    source.add(source.image([zipped(100_000), plain(90_000)]));
    const onProgress = ({ type }: ProgressEvent): void => {
      if (type === "progress") controller.abort(new Error("enough"));
    };
    await expect(pullFromSource(repository, source, { signal: controller.signal, onProgress })).rejects.toThrow(
      "enough",
    );
    expect(names(repository)).toEqual({});
  });
});

test("an artifact about an image is recorded as its referrer", async () => {
  const image = source.image([plain()]);
  const artifact = source.artifact("a signature", image);
  source.add(artifact);
  await pullFromSource(repository, source);
  expect(Object.keys(names(repository))).toContain(`refs/oci-referrers/${image.digest}/${artifact.digest}`);
  source.entries.length = 0;
  source.add(image);
  await pullFromSource(repository, source, { tag: "x" });
  await repository.gc();
  expect((await openImage(repository, "x")).referrers).toEqual([artifact.digest]);
  expect((await openImage(repository, artifact.digest)).manifest.subject).toEqual(image);
});

test("MANIFEST_UNSUPPORTED for one layer named a thousand and one times, before it is read", async () => {
  const layer = plain();
  source.add(source.image(Array.from({ length: 1001 }, () => layer)));
  await expect(pullFromSource(repository, source)).rejects.toMatchObject(
    ociError("MANIFEST_UNSUPPORTED", { layers: 1001, limit: 1000, source: "memory:image" }),
  );
  expect(source.read).not.toContain(layer.diffId);
  expect(names(repository)).toEqual({});
});

test("of an index with many large manifests only the last ones are kept in memory", async () => {
  const config = { architecture: "s390x" };
  const entries = Array.from({ length: 6 }, (_, i) =>
    source.image([plain()], { config, manifest: { annotations: { [`x${i}`]: "y".repeat(15 * 2 ** 20) } } }),
  );
  const [first] = entries as [Descriptor];
  source.add(source.index([...entries, first]));
  await expect(pullFromSource(repository, source)).rejects.toMatchObject(ociError("SOURCE_NOT_FOUND"));
  expect(source.read.filter((digest) => digest === first.digest)).toHaveLength(2);
});

test("a platform is proposed for the command line only if it may stand there", async () => {
  const manifest = source.image([plain()]);
  source.add(manifest, { os: "linux", architecture: "arm64", variant: null });
  await expect(pullFromSource(repository, source, { strictPlatform: true })).rejects.toMatchObject({
    hint: expect.stringContaining("--platform linux/arm64"),
  });
  source.entries.length = 0;
  source.add(manifest, { os: "linux", architecture: "$(reboot)", variant: null });
  await expect(pullFromSource(repository, source, { strictPlatform: true })).rejects.toMatchObject({
    hint: expect.not.stringContaining("reboot"),
  });
});

test("a refusal in place of a blob is told as that", async () => {
  const layer = plain();
  source.add(source.image([layer]));
  const { readBlob } = source;
  source.readBlob = (descriptor) => {
    if (descriptor.digest === layer.diffId) throw new OciError("AUTH_FAILED", "no");
    return readBlob.call(source, descriptor);
  };
  await expect(pullFromSource(repository, source)).rejects.toMatchObject({ code: "AUTH_FAILED" });
});
