import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObjectId } from "@composefs/core";
import { fsckImages, listImages, type OciDigest, pull } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { layoutAsDir, layoutAsDockerArchive, topDocument } from "../support/layout-forms.ts";
import { type LayoutRegistry, startLayoutRegistry } from "../support/layout-registry.ts";
import { withNewRepository } from "../support/pull-into.ts";

/** A layout pulled by composefs-rs 0.9.0, or several in steps; see testdata/README.md. */
interface Recorded {
  readonly oci?: { readonly rc: number; readonly stdout: string };
  readonly steps?: readonly { readonly pull: string; readonly stdout: string }[];
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { errors } = JSON.parse(readFileSync(new URL("errors.json", TESTDATA), "utf8")) as {
  errors: Record<string, Recorded>;
};

const LAYER_2 = "sha256:9005cc98b6c0b34da2de0eb5f6d0b3b29a391242956a20013f2042efd9228d20" as OciDigest;
const NO_LAYER = `sha256:${"0".repeat(64)}` as OciDigest;
/** What we answer: a code, with the layer at fault if it is one; null for a pull that works. */
const EXPECTED: Readonly<Record<string, readonly [code: string, layer?: OciDigest] | null>> = {
  "corrupt-plain-layer-same-size": ["BLOB_DIGEST_MISMATCH", LAYER_2],
  "corrupt-gzip-layer-same-size": ["BLOB_DIGEST_MISMATCH", LAYER_2],
  "layer-blob-short": ["BLOB_DIGEST_MISMATCH", LAYER_2],
  "layer-blob-missing": ["SOURCE_NOT_FOUND", LAYER_2],
  "config-blob-missing": ["SOURCE_NOT_FOUND"],
  "manifest-blob-missing": ["SOURCE_NOT_FOUND"],
  "config-corrupt-same-size": ["BLOB_DIGEST_MISMATCH"],
  "config-corrupt-harmless": ["BLOB_DIGEST_MISMATCH"],
  "manifest-corrupt-same-size": ["BLOB_DIGEST_MISMATCH"],
  "diffid-mismatch": ["DIFF_ID_MISMATCH", NO_LAYER],
  "fewer-diffids": ["LAYER_COUNT_MISMATCH"],
  "more-diffids": ["LAYER_COUNT_MISMATCH"],
  "bad-diffid-syntax": ["DIGEST_INVALID"],
  "config-empty-object": ["MANIFEST_INVALID"],
  "config-not-json": ["MANIFEST_INVALID"],
  "unsupported-layer-mediatype": [
    "LAYER_UNSUPPORTED",
    "sha256:8c33288f288934629b18ae0bc51f2bdd79a6e4f418e0496a5a7128b759389d30" as OciDigest,
  ],
  "docker-config-mediatype": null,
  "docker-manifest-mediatype": null,
  "foreign-arch": ["SOURCE_NOT_FOUND"],
  "foreign-os": ["SOURCE_NOT_FOUND"],
  "foreign-arch-descriptor-only": ["SOURCE_NOT_FOUND"],
  "descriptor-says-amd64-config-arm64": null,
  "empty-index": ["SOURCE_NOT_FOUND"],
  "no-index-json": ["SOURCE_INVALID"],
  "not-a-layout": ["SOURCE_INVALID"],
  "no-oci-layout-file": null,
  "duplicate-layer": null,
  "zero-layers": ["TREE_INVALID"],
  "index-nested-only-entry": null,
  "index-nested-no-match": ["SOURCE_NOT_FOUND"],
  "index-nested-twice": ["MANIFEST_UNSUPPORTED"],
  "index-nested-beside-another": null,
  "index-flat-two-platforms": null,
  "artifact-no-platform-annotation": null,
  "artifact-with-tar-layer": null,
  "artifact-no-layers": null,
};
/** A manifest alone has no entry of an index that says its platform, and an index is one level, not the place itself. */
const NO_INDEX = {
  "index-nested-beside-another": undefined,
  "empty-index": undefined,
  "no-index-json": undefined,
  "not-a-layout": undefined,
  "foreign-arch": null,
  "foreign-os": null,
  "foreign-arch-descriptor-only": null,
} as const;
/** Other answers by other transports, of what they can carry. */
const OTHERWISE: Readonly<Record<string, Readonly<Record<string, (typeof EXPECTED)[string] | undefined>>>> = {
  // Nothing says what digest its manifest should have.
  dir: { ...NO_INDEX, "manifest-corrupt-same-size": undefined },
  docker: NO_INDEX,
};
/** The platform that was missing is there when it is asked for. */
const OF_OTHER_PLATFORMS: Readonly<Record<string, readonly [os: string, architecture: string]>> = {
  "foreign-arch": ["linux", "arm64"],
  "foreign-os": ["windows", "amd64"],
  "foreign-arch-descriptor-only": ["linux", "arm64"],
};

let directory: string;
let registry: LayoutRegistry;
beforeAll(async () => {
  registry = await startLayoutRegistry();
  for (const [name, value] of Object.entries(registry.env)) vi.stubEnv(name, value);
  directory = mkdtempSync(join(tmpdir(), "oci-sources-errors-"));
  execFileSync("tar", ["-xzf", new URL("errors.tar.gz", TESTDATA).pathname, "-C", directory]);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await registry.close();
  rmSync(directory, { recursive: true });
});

const layoutOf = (name: string): string => join(directory, "errors", name);
function archiveOf(name: string): string {
  const path = join(mkdtempSync(join(directory, "archive-")), "x.tar");
  execFileSync("tar", ["-cf", path, "-C", layoutOf(name), "."]);
  return path;
}

test("every recorded layout has its expectation", () => {
  const layouts = Object.keys(errors).filter((name) => errors[name]?.steps === undefined && name !== "delta");
  expect(Object.keys(EXPECTED).sort()).toEqual(layouts.filter((name) => name !== "artifact-first-then-second").sort());
});

describe.each([
  ["oci", layoutOf],
  ["oci-archive", archiveOf],
  ["dir", (name: string) => layoutAsDir(layoutOf(name), directory)],
  ["docker", (name: string) => registry.offer(layoutOf(name)).slice("docker:".length)],
] as const)("%s", (transport, path) => {
  const others = OTHERWISE[transport];
  const cases = Object.entries({ ...EXPECTED, ...others }).filter(([, expected]) => expected !== undefined);
  test.each(cases)("%s", async (name, expected = null) => {
    const reference = `${transport}:${path(name)}`;
    await withNewRepository(directory, "sha256", async (repository) => {
      const pulled = pull(repository, reference, { tag: "x" });
      if (expected === null) {
        const result = await pulled;
        const { oci } = errors[name] as Required<Recorded>;
        if (oci.rc === 0) {
          expect(`manifest ${result.manifestDigest}`).toBe(oci.stdout.split("\n")[0]);
          const initial = /^verity +(\S+)$/m.exec(oci.stdout)?.[1] as ObjectId;
          expect(repository.objects.has(initial)).toBe(true);
        }
        expect((await listImages(repository)).images.map((image) => image.name)).toEqual(["x"]);
      } else {
        const [code, layer] = expected;
        const details = { ...(code === "TREE_INVALID" ? {} : { source: reference }), ...(layer && { layer }) };
        await expect(pulled).rejects.toMatchObject({ code, hint: expect.any(String), details });
        await expect(pulled).rejects.toThrow(code === "TREE_INVALID" ? "/usr" : reference);
        if (layer !== undefined) await expect(pulled).rejects.toThrow(layer);
        expect(repository.listStreams()).toEqual([]);
        expect(repository.listRefs("streams")).toEqual([]);
      }
      expect((await repository.fsck()).ok).toBe(true);
      expect((await fsckImages(repository)).ok).toBe(true);
    });
  });

  const ofOtherPlatforms = Object.entries(OF_OTHER_PLATFORMS).filter(
    ([name]) => others === undefined || name !== "foreign-arch-descriptor-only",
  );
  test.each(ofOtherPlatforms)("%s when it is asked for", async (name, [os, architecture]) => {
    await withNewRepository(directory, "sha256", async (repository) => {
      const platform = { os, architecture, variant: null };
      expect((await pull(repository, `${transport}:${path(name)}`, { platform })).kind).toBe("container");
    });
  });
});

/** An archive by `docker save` knows the digests of config and tars alone. */
test.each([
  ["corrupt-plain-layer-same-size", "BLOB_DIGEST_MISMATCH"],
  ["corrupt-gzip-layer-same-size", "LAYER_CORRUPT"],
  ["layer-blob-short", "BLOB_DIGEST_MISMATCH"],
  ["layer-blob-missing", "SOURCE_NOT_FOUND"],
  ["config-blob-missing", "SOURCE_NOT_FOUND"],
  ["config-corrupt-same-size", "BLOB_DIGEST_MISMATCH"],
  ["config-corrupt-harmless", "BLOB_DIGEST_MISMATCH"],
  ["diffid-mismatch", "BLOB_DIGEST_MISMATCH"],
  ["fewer-diffids", "LAYER_COUNT_MISMATCH"],
  ["more-diffids", "LAYER_COUNT_MISMATCH"],
  ["bad-diffid-syntax", "DIGEST_INVALID"],
  ["config-empty-object", "MANIFEST_INVALID"],
  ["config-not-json", "MANIFEST_INVALID"],
  ["duplicate-layer", null],
  ["foreign-arch", null],
  ["docker-manifest-mediatype", null],
])("docker-archive, %s", async (name, code) => {
  const layout = layoutOf(name);
  const manifest = topDocument(layout).bytes as Buffer;
  const archive = layoutAsDockerArchive(layout, manifest.toString("utf8"), directory);
  const reference = `docker-archive:${archive}`;
  await withNewRepository(directory, "sha256", async (repository) => {
    const pulled = pull(repository, reference, { tag: "x" });
    if (code === null) expect((await pulled).changed).toBe(true);
    else {
      await expect(pulled).rejects.toMatchObject({ code, hint: expect.any(String), details: { source: reference } });
      await expect(pulled).rejects.toThrow(reference);
      expect(repository.listStreams()).toEqual([]);
    }
    expect((await repository.fsck()).ok).toBe(true);
  });
});

test("a damaged blob is refused for its digest, what else is wrong is the cause", async () => {
  await withNewRepository(directory, "sha256", async (repository) => {
    const pulled = pull(repository, `oci:${layoutOf("corrupt-gzip-layer-same-size")}`);
    await expect(pulled).rejects.toMatchObject({
      code: "BLOB_DIGEST_MISMATCH",
      cause: { code: "LAYER_CORRUPT", details: { layer: LAYER_2, offset: expect.any(Number) } },
    });
  });
});

test("without the check of diff_ids a wrong one is taken, a damaged blob is not", async () => {
  await withNewRepository(directory, "sha256", async (repository) => {
    const options = { verifyDiffId: false };
    expect((await pull(repository, `oci:${layoutOf("diffid-mismatch")}`, options)).changed).toBe(true);
    await expect(pull(repository, `oci:${layoutOf("layer-blob-short")}`, options)).rejects.toMatchObject({
      code: "BLOB_DIGEST_MISMATCH",
    });
  });
});

test("a second artifact with the same empty config", async () => {
  const [first] = errors["artifact-first-then-second"]?.steps ?? [];
  await withNewRepository(directory, "sha256", async (repository) => {
    const a = await pull(repository, `oci:${layoutOf("artifact-first")}`, { tag: "a" });
    expect(`verity   ${a.manifestId}`).toBe(first?.stdout.split("\n")[2]);
    const b = await pull(repository, `oci:${layoutOf("artifact-second")}`, { tag: "b" });
    expect(b).toMatchObject({ kind: "artifact", configId: a.configId, stats: { layers: 1, layersAlreadyPresent: 0 } });
    await repository.gc();
    expect(await fsckImages(repository)).toMatchObject({ ok: true });
    expect((await listImages(repository)).broken).toEqual([]);
  });
});

test("a delta is no image", async () => {
  await withNewRepository(directory, "sha256", async (repository) => {
    await expect(pull(repository, `oci:${layoutOf("delta")}`)).rejects.toMatchObject({ code: "MANIFEST_UNSUPPORTED" });
  });
});
