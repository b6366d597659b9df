import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctlOk } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, pullJson } from "../support/repo.ts";
import { streamLinks } from "../support/repo-state.ts";
import { run } from "../support/run.ts";
import { testStore } from "../support/store.ts";
import { buildSmallImage } from "../support/store-builder.ts";

interface LayerTar {
  readonly diffId: string;
  readonly tar: Buffer;
}

describe.skipIf(requires("xfs", "buildah", "skopeo", "cfsctl") !== null)("one image by two ways", () => {
  let fs: LoopFs;
  let reference: string;
  let layers: LayerTar[];

  beforeAll(() => {
    fs = mountLoopFs("xfs");
    reference = buildSmallImage(testStore(fs.path));
    const layout = join(fs.path, "layout");
    run("skopeo", ["copy", "--quiet", `containers-storage:${reference}`, `oci:${layout}:small`]);
    layers = layerTars(layout);
  });
  afterAll(() => fs?.dispose());

  test("skopeo gives the layers with their diff_ids", () => {
    expect(layers).toHaveLength(3);
    for (const { diffId, tar } of layers) expect(sha256(tar)).toBe(diffId);
  });

  test.each(["fsverity-sha256-12", "fsverity-sha512-12"])("gives the same layer streams with %s", async (algorithm) => {
    const stored = await initRepo(join(fs.path, `stored-${algorithm}`), algorithm);
    const imported = await initRepo(join(fs.path, `imported-${algorithm}`), algorithm);
    await pullJson(stored, reference);
    for (const { diffId, tar } of layers) {
      const { stdout } = await cfsctlOk(["--repo", imported, "oci", "import-layer", diffId], { input: tar });
      const name = `oci-layer-${diffId}`;
      const link = streamLinks(stored)[name];
      expect(link).toBeDefined();
      expect(streamLinks(imported)[name]).toBe(link);
      // The printed id and the object's path are the same digest.
      const hex = link?.split("/").slice(-2).join("");
      expect(stdout.trim()).toBe(`${algorithm.split("-")[1]}:${hex}`);
      for (const repo of [stored, imported]) {
        const layer = await cfsctlOk(["--repo", repo, "oci", "layer", diffId]);
        expect(sha256(layer.stdoutBytes)).toBe(diffId);
      }
    }
  });
});

/** The layers of the first image of an OCI layout, uncompressed. */
function layerTars(layout: string): LayerTar[] {
  const blob = (digest: string) => readFileSync(join(layout, "blobs", ...digest.split(":")));
  const json = (bytes: Buffer): unknown => JSON.parse(bytes.toString("utf8"));
  const index = json(readFileSync(join(layout, "index.json"))) as { manifests: { digest: string }[] };
  const manifest = json(blob(index.manifests[0]?.digest ?? "")) as {
    config: { digest: string };
    layers: { digest: string; mediaType: string }[];
  };
  const config = json(blob(manifest.config.digest)) as { rootfs: { diff_ids: string[] } };
  return manifest.layers.map(({ digest, mediaType }, position) => {
    const bytes = blob(digest);
    return {
      diffId: config.rootfs.diff_ids[position] ?? "",
      tar: mediaType.endsWith("+gzip") ? gunzipSync(bytes) : bytes,
    };
  });
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
