import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HashName, initRepository, Repository } from "@composefs/core";
import { importImage, layerTar, listImages, type OciDigest, openImage, summarizeLayer } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutSource } from "../support/oci-layout.ts";

/** One image pulled by composefs-rs 0.9.4; see testdata/README.md. */
interface RecordedImage {
  readonly name: string;
  readonly manifest_digest: OciDigest;
  readonly config_digest: OciDigest;
  readonly manifest: string;
  readonly config: string;
  readonly hash: Record<HashName, RecordedStreams>;
}
interface RecordedStreams {
  readonly config_object: string;
  readonly manifest_object: string;
  readonly layers: Record<OciDigest, RecordedLayer>;
  readonly V1: {
    readonly config_stream: string;
    readonly manifest_stream_canonical: string;
    readonly images_json: { readonly images: readonly Record<string, unknown>[] };
  };
}
interface RecordedLayer {
  readonly stream: string;
  readonly stream_size: number;
  readonly content_type: string;
  readonly object_refs: readonly string[];
  readonly stored_bytes: number;
  readonly layer_json: unknown;
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly RecordedImage[];
};
const HASHES: readonly HashName[] = ["sha256", "sha512"];

test("all images are there", () => {
  expect(images.map(({ name }) => name)).toEqual([
    "gnu-whiteouts",
    "pax-xattrs",
    "ustar-odd",
    "dup-empty",
    "bootable",
    "umoci-go",
    "index-flat",
    "artifact",
  ]);
});

describe.each(images.flatMap((image) => HASHES.map((hash) => ({ name: image.name, hash, image }))))(
  "$name, $hash",
  ({ name, hash, image }) => {
    const expected = image.hash[hash];
    let directory: string;
    let repository: Repository;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "oci-images-"));
      execFileSync("tar", ["-xf", new URL(`layouts/${name}.tar`, TESTDATA).pathname, "-C", directory]);
      initRepository(join(directory, "repo"), { hash, insecure: true });
      repository = await Repository.open(join(directory, "repo"));
    });
    afterAll(async () => {
      await repository.close();
      rmSync(directory, { recursive: true });
    });

    test("streams have the recorded ids", async () => {
      const source = layoutSource(repository, join(directory, name), image.manifest_digest);
      const result = await importImage(repository, source, { tag: name, compatWhiteouts: true });
      expect(result).toMatchObject({
        manifestDigest: image.manifest_digest,
        configDigest: image.config_digest,
        configId: expected.V1.config_stream,
        manifestId: expected.V1.manifest_stream_canonical,
        changed: true,
      });
      for (const [diffId, layer] of Object.entries(expected.layers)) {
        const { id, type, size, objectRefs } = await repository.openStream(`oci-layer-${diffId}`);
        expect({ stream: id, content_type: type, stream_size: size, object_refs: objectRefs }).toEqual({
          stream: layer.stream,
          content_type: layer.content_type,
          stream_size: layer.stream_size,
          object_refs: layer.object_refs,
        });
        expect(repository.objects.size(id)).toBe(layer.stored_bytes);
      }
      expect((await repository.openStream(`oci-config-${image.config_digest}`)).objectRefs).toEqual([
        expected.config_object,
      ]);
      expect((await repository.openStream(`oci-manifest-${image.manifest_digest}`)).objectRefs).toEqual([
        expected.manifest_object,
      ]);
    });

    test("layers come back", async () => {
      for (const [text, layer] of Object.entries(expected.layers)) {
        const diffId = text as OciDigest;
        if (layer.content_type !== "ocilayer") {
          await expect(summarizeLayer(repository, diffId)).rejects.toMatchObject({ code: "LAYER_UNSUPPORTED" });
          continue;
        }
        const hashed = createHash("sha256");
        for await (const bytes of layerTar(repository, diffId)) hashed.update(bytes);
        if (name !== "artifact") expect(`sha256:${hashed.digest("hex")}`).toBe(diffId);
        expect(await summarizeLayer(repository, diffId)).toEqual(layer.layer_json);
      }
    });

    test("it is listed and opened", async () => {
      const { images: listed, broken } = await listImages(repository);
      expect(broken).toEqual([]);
      expect(
        listed.map((summary) => ({
          name: summary.name,
          manifest_digest: summary.manifestDigest,
          is_container: summary.kind === "container",
          architecture: summary.architecture,
          os: summary.os,
          created: summary.created,
          layer_count: summary.layers,
          referrer_count: summary.referrers,
        })),
      ).toEqual(expected.V1.images_json.images);
      const opened = await openImage(repository, `@${image.config_digest}`);
      expect(Buffer.from(opened.manifestBytes).toString()).toBe(image.manifest);
      expect(Buffer.from(opened.configBytes).toString()).toBe(image.config);
    });

    test("a second import changes nothing", async () => {
      const source = layoutSource(repository, join(directory, name), image.manifest_digest);
      const again = await importImage(repository, source, { tag: name });
      expect(again).toMatchObject({
        changed: false,
        configId: expected.V1.config_stream,
        manifestId: expected.V1.manifest_stream_canonical,
        stats: { layers: source.layers.length, layersAlreadyPresent: source.layers.length, bytesCopied: 0 },
      });
    });
  },
);
