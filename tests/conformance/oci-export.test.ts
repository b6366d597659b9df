import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { initRepository, Repository, unzstd } from "@composefs/core";
import { exportImage, importImage, type OciDigest, openLayoutSink } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256 } from "../../packages/composefs-oci/test/tar-builder.ts";
import { layoutSource } from "../support/oci-layout.ts";

/** One image pulled by composefs-rs 0.9.4; see testdata/README.md. */
interface RecordedImage {
  readonly name: string;
  readonly manifest_digest: OciDigest;
  readonly config_digest: OciDigest;
  readonly manifest: string;
  readonly config: string;
  readonly hash: { readonly sha256: { readonly layers: Record<OciDigest, { readonly stream: string }> } };
}
interface Layer {
  readonly mediaType: string;
  readonly digest: OciDigest;
  readonly size: number;
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly RecordedImage[];
};
let directory: string;
let repository: Repository;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "oci-export-"));
  initRepository(join(directory, "repo"), { hash: "sha256", insecure: true });
  repository = await Repository.open(join(directory, "repo"));
  for (const { name, manifest_digest } of images) {
    execFileSync("tar", ["-xf", new URL(`layouts/${name}.tar`, TESTDATA).pathname, "-C", directory]);
    const source = layoutSource(repository, join(directory, name), manifest_digest);
    await importImage(repository, source, { tag: name, compatWhiteouts: true });
  }
});
afterAll(async () => {
  await repository.close();
  rmSync(directory, { recursive: true });
});

async function exportTo(name: string, reference: string) {
  const sink = await openLayoutSink(reference);
  try {
    return await exportImage(repository, name, sink);
  } finally {
    await sink.close();
  }
}

const blobIn = (layout: string, digest: string): Buffer => readFileSync(join(layout, "blobs", ...digest.split(":")));
const layersOf = (manifest: Buffer | string): readonly Layer[] =>
  (JSON.parse(manifest.toString()) as { layers: readonly Layer[] }).layers;

/** Every file with its content. */
function filesOf(layout: string): Record<string, Buffer> {
  const items = readdirSync(layout, { recursive: true, withFileTypes: true }).filter((item) => item.isFile());
  const paths = items.map((item) => join(item.parentPath, item.name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(layout.length), readFileSync(path)]));
}

function uncompressed(blob: Buffer, mediaType: string): Buffer {
  if (mediaType.endsWith("+gzip")) return gunzipSync(blob);
  return mediaType.endsWith("+zstd") ? Buffer.concat([...unzstd(blob)]) : blob;
}

describe.each(images)("$name", (image) => {
  const { name, manifest_digest, config_digest } = image;
  const original = layersOf(image.manifest);

  test("a new layout has the recorded config, and layers with the recorded content", async () => {
    const layout = join(directory, `${name}.new`);
    const { manifestDigest } = await exportTo(name, `oci:${layout}:tag`);
    const manifest = blobIn(layout, manifestDigest);
    expect(sha256(manifest)).toBe(manifestDigest);
    expect(blobIn(layout, config_digest).toString()).toBe(image.config);
    const layers = layersOf(manifest);
    for (const [i, { mediaType, digest, size }] of layers.entries()) {
      const blob = blobIn(layout, digest);
      expect({ digest: sha256(blob), size: blob.length }).toEqual({ digest, size });
      expect(uncompressed(blob, mediaType)).toEqual(
        uncompressed(blobIn(join(directory, name), original[i]?.digest ?? ""), mediaType),
      );
      // What was not compressed is the recorded blob itself.
      if (!/\+(gzip|zstd)$/.test(mediaType)) expect(digest).toBe(original[i]?.digest);
    }
    // All else is as recorded, in the recorded order.
    const restored = layers.map((layer, i) => ({ ...layer, digest: original[i]?.digest, size: original[i]?.size }));
    expect(JSON.stringify({ ...(JSON.parse(manifest.toString()) as object), layers: restored })).toBe(
      JSON.stringify(JSON.parse(image.manifest)),
    );
    const same = layers.every(({ digest }, i) => digest === original[i]?.digest);
    expect(manifestDigest === manifest_digest).toBe(same);
    expect(JSON.parse(readFileSync(join(layout, "index.json"), "utf8"))).toMatchObject({
      manifests: [
        {
          digest: manifestDigest,
          size: manifest.length,
          annotations: { "org.opencontainers.image.ref.name": "tag" },
        },
      ],
    });
  });

  test("imported again it has the recorded layer streams", async () => {
    const layout = join(directory, `${name}.new`);
    const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as { manifests: Layer[] };
    const path = join(directory, `${name}.again`);
    initRepository(path, { hash: "sha256", insecure: true });
    const again = await Repository.open(path);
    try {
      await importImage(again, layoutSource(again, layout, manifests[0]?.digest ?? ""), { compatWhiteouts: true });
      for (const [diffId, { stream }] of Object.entries(image.hash.sha256.layers)) {
        expect((await again.openStream(`oci-layer-${diffId}`)).id).toBe(stream);
      }
    } finally {
      await again.close();
    }
  });

  test("where the blobs are there already the manifest is the recorded one", async () => {
    const layout = join(directory, name);
    const result = await exportTo(name, `oci:${layout}:again`);
    expect(result).toMatchObject({ manifestDigest: manifest_digest, blobsWritten: 0 });
    expect(blobIn(layout, manifest_digest).toString()).toBe(image.manifest);
  });

  test("an archive has the same files as the layout", async () => {
    const archive = join(directory, `${name}.archive.tar`);
    await exportTo(name, `oci-archive:${archive}:tag`);
    const unpacked = mkdtempSync(join(directory, "unpacked-"));
    execFileSync("tar", ["-xf", archive, "-C", unpacked]);
    expect(filesOf(unpacked)).toEqual(filesOf(join(directory, `${name}.new`)));
  });
});

test("the artifact, which is not compressed, comes out as it was recorded", async () => {
  const recorded = images.find(({ name }) => name === "artifact");
  const { manifestDigest } = await exportTo("artifact", `oci:${join(directory, "artifact.alone")}`);
  expect(manifestDigest).toBe(recorded?.manifest_digest);
  expect(blobIn(join(directory, "artifact.alone"), manifestDigest).toString()).toBe(recorded?.manifest);
});
