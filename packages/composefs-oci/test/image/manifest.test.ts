import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseManifest } from "../../src/image/manifest.ts";
import { codeOf } from "../code-of.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;
const CONFIG = { mediaType: "application/vnd.oci.image.config.v1+json", digest: DIGEST, size: 2 };
const LAYER = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: DIGEST, size: 1024 };
const MANIFEST = { schemaVersion: 2, config: CONFIG, layers: [LAYER] };
const encode = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test("a manifest", () => {
  expect(parseManifest(encode(MANIFEST))).toEqual({
    kind: "container",
    config: CONFIG,
    layers: [LAYER],
    subject: null,
    artifactType: null,
  });
});

test.each([
  ["application/vnd.oci.image.config.v1+json", "container"],
  ["application/vnd.docker.container.image.v1+json", "container"],
  ["application/vnd.oci.image.config.v1+JSON", "artifact"],
  ["application/vnd.oci.empty.v1+json", "artifact"],
  ["", "artifact"],
])("config type '%s' makes a %s", (mediaType, kind) => {
  expect(parseManifest(encode({ ...MANIFEST, config: { ...CONFIG, mediaType } })).kind).toBe(kind);
});

test("unknown fields are ignored, null counts as absent", () => {
  const more = { ...MANIFEST, subject: null, annotations: { a: "b" }, future: [1] };
  expect(parseManifest(encode(more)).subject).toBeNull();
  expect(parseManifest(encode({ ...MANIFEST, subject: LAYER })).subject).toEqual(LAYER);
});

test.each<[string, string, unknown]>([
  ["MANIFEST_INVALID", "a list", []],
  ["MANIFEST_INVALID", "null", null],
  ["MANIFEST_INVALID", "a string", "x"],
  ["MANIFEST_INVALID", "nothing in it", {}],
  ["MANIFEST_INVALID", "no config", { ...MANIFEST, config: undefined }],
  ["MANIFEST_INVALID", "config is a list", { ...MANIFEST, config: [] }],
  ["MANIFEST_INVALID", "no layers", { ...MANIFEST, layers: undefined }],
  ["MANIFEST_INVALID", "layers is an object", { ...MANIFEST, layers: {} }],
  ["MANIFEST_INVALID", "a layer is a string", { ...MANIFEST, layers: [DIGEST] }],
  ["MANIFEST_INVALID", "a layer is null", { ...MANIFEST, layers: [null] }],
  ["MANIFEST_INVALID", "a layer without type", { ...MANIFEST, layers: [{ digest: DIGEST, size: 1 }] }],
  ["MANIFEST_INVALID", "negative size", { ...MANIFEST, layers: [{ ...LAYER, size: -1 }] }],
  ["MANIFEST_INVALID", "size with a fraction", { ...MANIFEST, layers: [{ ...LAYER, size: 1.5 }] }],
  ["MANIFEST_INVALID", "size beyond 2^53", { ...MANIFEST, layers: [{ ...LAYER, size: 2 ** 60 }] }],
  ["MANIFEST_INVALID", "size as text", { ...MANIFEST, layers: [{ ...LAYER, size: "1" }] }],
  ["MANIFEST_INVALID", "digest is a number", { ...MANIFEST, config: { ...CONFIG, digest: 1 } }],
  ["MANIFEST_INVALID", "subject is a string", { ...MANIFEST, subject: DIGEST }],
  ["MANIFEST_INVALID", "no schema version", { ...MANIFEST, schemaVersion: undefined }],
  ["MANIFEST_INVALID", "schema version as text", { ...MANIFEST, schemaVersion: "2" }],
  ["DIGEST_INVALID", "a path for a digest", { ...MANIFEST, config: { ...CONFIG, digest: "../../etc/passwd" } }],
  ["DIGEST_INVALID", "short digest", { ...MANIFEST, layers: [{ ...LAYER, digest: "sha256:00" }] }],
  ["MANIFEST_UNSUPPORTED", "schema 1", { schemaVersion: 1, fsLayers: [] }],
  ["MANIFEST_UNSUPPORTED", "an index", { schemaVersion: 2, manifests: [] }],
])("%s: %s", (code, _, value) => expect(codeOf(() => parseManifest(encode(value)))).toBe(code));

test.each<[string, Uint8Array]>([
  ["nothing", Buffer.alloc(0)],
  ["cut off", encode(MANIFEST).subarray(0, -1)],
  ["followed by something", Buffer.concat([encode(MANIFEST), Buffer.from("{}")])],
  ["with a byte order mark", Buffer.concat([Buffer.from("\ufeff"), encode(MANIFEST)])],
  ["no UTF-8", Buffer.from('{"schemaVersion":2,"a":"\xff"}', "latin1")],
])("MANIFEST_INVALID: bytes that are %s", (_, bytes) => {
  expect(codeOf(() => parseManifest(bytes))).toBe("MANIFEST_INVALID");
});

test("MANIFEST_INVALID: deeper than the stack", () => {
  const deep = Buffer.from(`{"schemaVersion":${"[".repeat(200_000)}${"]".repeat(200_000)}}`);
  expect(codeOf(() => parseManifest(deep))).toBe("MANIFEST_INVALID");
});

test("the recorded manifests are taken", () => {
  const url = new URL("../../../../testdata/oci/vectors.json", import.meta.url);
  const { images } = JSON.parse(readFileSync(url, "utf8")) as { images: { manifest: string; artifact: boolean }[] };
  for (const { manifest, artifact } of images) {
    expect(parseManifest(Buffer.from(manifest)).kind).toBe(artifact ? "artifact" : "container");
  }
});
