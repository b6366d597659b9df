import { describe, expect, test } from "vitest";
import { configDigestOfManifest, diffIdsOfConfig } from "../src/image-manifest.ts";
import { codeOf } from "./code-of.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;
const bytes = (value: unknown): Buffer => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));

describe("config digest", () => {
  test.each<object>([
    { schemaVersion: 2, config: { digest: DIGEST } },
    {
      mediaType: "application/vnd.docker.distribution.manifest.v2+json",
      config: { digest: DIGEST, size: 1 },
      layers: [],
    },
  ])("%j", (manifest) => {
    expect(configDigestOfManifest(bytes(manifest), "m")).toBe(DIGEST);
  });

  test.each<[manifest: unknown, code: string]>([
    [{ schemaVersion: 2, manifests: [] }, "MANIFEST_UNSUPPORTED"],
    [{ mediaType: "application/vnd.oci.image.index.v1+json" }, "MANIFEST_UNSUPPORTED"],
    [{ mediaType: "application/vnd.docker.distribution.manifest.list.v2+json" }, "MANIFEST_UNSUPPORTED"],
    [{ schemaVersion: 1, fsLayers: [] }, "MANIFEST_UNSUPPORTED"],
    [{ schemaVersion: 2 }, "STORE_CORRUPT"],
    [{ config: { digest: 1 } }, "STORE_CORRUPT"],
    [{ config: { digest: ".." } }, "STORE_CORRUPT"],
    [{ config: { digest: "md5:00" } }, "STORE_CORRUPT"],
    [{ config: { digest: "sha256:00" } }, "STORE_CORRUPT"],
    ["{", "STORE_CORRUPT"],
    ["[]", "STORE_CORRUPT"],
  ])("%j: %s", (manifest, code) => {
    expect(codeOf(() => configDigestOfManifest(bytes(manifest), "m"))).toBe(code);
  });
});

describe("diff ids", () => {
  test.each<[config: object, diffIds: string[]]>([
    [{ rootfs: { type: "layers", diff_ids: [DIGEST, DIGEST] } }, [DIGEST, DIGEST]],
    [{ rootfs: { diff_ids: null } }, []],
    [{}, []],
  ])("%j", (config, diffIds) => {
    expect(diffIdsOfConfig(bytes(config), "c")).toEqual(diffIds);
  });

  test.each([
    { rootfs: [] },
    { rootfs: { diff_ids: DIGEST } },
    { rootfs: { diff_ids: [1] } },
    { rootfs: { diff_ids: ["x"] } },
  ])("refuses %j", (config) => {
    expect(codeOf(() => diffIdsOfConfig(bytes(config), "c"))).toBe("STORE_CORRUPT");
  });
});
