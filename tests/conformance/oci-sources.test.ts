import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HashName } from "@composefs/core";
import { listImages, type OciDigest, pull, summarizeLayer } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { layoutAsDir, layoutAsDockerArchive } from "../support/layout-forms.ts";
import { type LayoutRegistry, startLayoutRegistry } from "../support/layout-registry.ts";
import { withNewRepository } from "../support/pull-into.ts";

/** One image pulled by composefs-rs 0.9.4; see testdata/README.md. */
interface RecordedImage {
  readonly name: string;
  /** `oci:DIRECTORY[:TAG]` */
  readonly pull_ref: string;
  readonly manifest_digest: OciDigest;
  readonly config_digest: OciDigest;
  readonly manifest: string;
  readonly config: string;
  readonly hash: Record<HashName, RecordedStreams>;
}
interface RecordedStreams {
  readonly layers: Record<
    OciDigest,
    { readonly stream: string; readonly layer_json: unknown; readonly content_type: string }
  >;
  readonly config_stream_initial: string;
  readonly manifest_stream_initial: string;
  readonly V1: {
    readonly config_stream: string;
    readonly manifest_stream_canonical: string;
    readonly image_id: string;
    readonly objects_without_final_manifest: readonly string[];
    readonly images_json: { readonly images: readonly Record<string, unknown>[] };
  };
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly RecordedImage[];
};
const HASHES: readonly HashName[] = ["sha256", "sha512"];

let directory: string;
let registry: LayoutRegistry;
beforeAll(async () => {
  registry = await startLayoutRegistry();
  for (const [name, value] of Object.entries(registry.env)) vi.stubEnv(name, value);
  directory = mkdtempSync(join(tmpdir(), "oci-sources-"));
  for (const { name } of images) {
    execFileSync("tar", ["-xf", new URL(`layouts/${name}.tar`, TESTDATA).pathname, "-C", directory]);
    execFileSync("tar", ["-cf", join(directory, `${name}.tar`), "-C", join(directory, name), "."]);
    execFileSync("gzip", ["-k", join(directory, `${name}.tar`)]);
  }
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await registry.close();
  rmSync(directory, { recursive: true });
});

const place = ({ pull_ref }: RecordedImage, suffix: string): string => {
  const [, name, tag] = pull_ref.split(":");
  return `${join(directory, name as string)}${suffix}${tag === undefined ? "" : `:${tag}`}`;
};
/** Archives by `docker save` have a test of their own, since they have no manifests. */
const TRANSPORTS: readonly (readonly [string, (image: RecordedImage) => string])[] = [
  ["oci", (image) => `oci:${place(image, "")}`],
  ["oci-archive", (image) => `oci-archive:${place(image, ".tar")}`],
  ["oci-archive, compressed", (image) => `oci-archive:${place(image, ".tar.gz")}`],
  ["dir", ({ name }) => `dir:${layoutAsDir(join(directory, name), directory)}`],
  ["docker", ({ name }) => registry.offer(join(directory, name))],
];

const each = images.flatMap((image) =>
  TRANSPORTS.flatMap(([transport, reference]) =>
    HASHES.map((hash) => ({ name: image.name, transport, hash, image, reference })),
  ),
);

test.each(each)("$name by $transport, $hash: the recorded repository", async ({ image, reference, hash }) => {
  const expected = image.hash[hash];
  const isArtifact = image.name === "artifact";
  await withNewRepository(directory, hash, async (repository, path) => {
    const result = await pull(repository, reference(image), { tag: image.name, compatWhiteouts: true });
    expect(result).toMatchObject({
      manifestDigest: image.manifest_digest,
      configDigest: image.config_digest,
      configId: expected.V1.config_stream,
      manifestId: expected.V1.manifest_stream_canonical,
      imageIds: new Map(isArtifact ? [] : [[1, expected.V1.image_id]]),
      changed: true,
    });
    for (const [diffId, layer] of Object.entries(expected.layers)) {
      expect(repository.findStream(`oci-layer-${diffId}`)).toBe(layer.stream);
      if (layer.content_type !== "ocilayer") continue;
      expect(await summarizeLayer(repository, diffId as OciDigest)).toEqual(layer.layer_json);
    }
    const wanted = new Set([...expected.V1.objects_without_final_manifest, expected.V1.manifest_stream_canonical]);
    expect(objectIds(path)).toEqual([...wanted].sort());
    expect((await repository.fsck()).ok).toBe(true);
    const { images: listed } = await listImages(repository);
    expect(listed.map(({ manifestDigest, kind }) => [manifestDigest, kind === "container"])).toEqual(
      expected.V1.images_json.images.map(({ manifest_digest, is_container }) => [manifest_digest, is_container]),
    );
  });
});

const containers = images.filter(({ name }) => name !== "artifact");
const saved = containers.flatMap((image) => HASHES.map((hash) => ({ name: image.name, hash, image })));

test.each(saved)("$name by docker-archive, $hash: the recorded config, layers and image", async ({ image, hash }) => {
  const expected = image.hash[hash];
  const archive = layoutAsDockerArchive(join(directory, image.name), image.manifest, directory);
  await withNewRepository(directory, hash, async (repository) => {
    expect(await pull(repository, `docker-archive:${archive}`, { tag: "x", compatWhiteouts: true })).toMatchObject({
      configDigest: image.config_digest,
      configId: expected.V1.config_stream,
      imageIds: new Map([[1, expected.V1.image_id]]),
    });
    for (const [diffId, layer] of Object.entries(expected.layers)) {
      expect(repository.findStream(`oci-layer-${diffId}`)).toBe(layer.stream);
    }
    expect((await repository.fsck()).ok).toBe(true);
  });
});

describe("a second pull", () => {
  test.each(images)("of $name reads index.json and nothing else", async (image) => {
    const copy = mkdtempSync(join(directory, "copy-"));
    cpSync(join(directory, image.name), copy, { recursive: true });
    const tag = image.pull_ref.split(":")[2];
    const reference = `oci:${copy}${tag === undefined ? "" : `:${tag}`}`;
    await withNewRepository(directory, "sha256", async (repository, path) => {
      const first = await pull(repository, reference, { tag: "x" });
      const before = objectIds(path);
      rmSync(join(copy, "blobs"), { recursive: true });
      const again = await pull(repository, reference, { tag: "x" });
      const layers = JSON.parse(image.manifest).layers.length as number;
      expect(again).toEqual({
        ...first,
        changed: false,
        stats: expect.objectContaining({ layers, layersAlreadyPresent: layers, bytesCopied: 0, bytesInlined: 0 }),
      });
      expect(objectIds(path)).toEqual(before);
    });
  });
});

function objectIds(path: string): string[] {
  const ids: string[] = [];
  for (const first of readdirSync(join(path, "objects"))) {
    for (const rest of readdirSync(join(path, "objects", first))) ids.push(`${first}${rest}`);
  }
  return ids.sort();
}
