import {
  asObject,
  listField,
  optionalObjectField,
  optionalStringField,
  parseJsonObject,
  stringField,
} from "../image/json-shape.ts";
import { DOCKER_MANIFEST, OCI_MANIFEST } from "../media-types.ts";
import type { BlobFacts } from "./blob-sink.ts";

/** Annotations that tell of a blob's bytes, not of the tar in it: tables of contents of zstd:chunked, eStargz, and the like. */
const BLOB_ANNOTATIONS: readonly string[] = [
  "io.github.containers.zstd-chunked.",
  "containerd.io/snapshot/",
  "io.containers.estargz.",
];
/** Fields of a descriptor that hold the old blob, or say where to get it. */
const BLOB_FIELDS: ReadonlySet<string> = new Set(["urls", "data"]);

/**
 * A manifest whose layers have other blobs: digests and sizes are replaced, and what tells of the old blobs is left out.
 * All else is as it was, in the same order; media types, too.
 *
 * @param blobs for each layer of the manifest; those that are as before change nothing
 * @throws OciError `MANIFEST_INVALID`
 */
export function replaceLayerBlobs(manifest: Uint8Array, blobs: readonly BlobFacts[]): Uint8Array {
  const object = parseJsonObject(manifest, "manifest");
  const layers = listField(object, "layers", (item, place) => asObject(item, place).fields);
  const replaced = layers.map((layer, i) => {
    const blob = blobs[i];
    return blob === undefined || blob.digest === layer.digest ? layer : withBlob(layer, blob);
  });
  return Buffer.from(JSON.stringify({ ...object.fields, layers: replaced }));
}

function withBlob(layer: Readonly<Record<string, unknown>>, { digest, size }: BlobFacts): object {
  const kept = Object.entries(layer).flatMap(([key, value]): [string, unknown][] => {
    if (BLOB_FIELDS.has(key)) return [];
    if (key === "digest") return [[key, digest]];
    if (key === "size") return [[key, size]];
    if (key !== "annotations" || typeof value !== "object" || value === null) return [[key, value]];
    const annotations = Object.entries(value).filter(
      ([name]) => !BLOB_ANNOTATIONS.some((prefix) => name.startsWith(prefix)),
    );
    return annotations.length === 0 ? [] : [[key, Object.fromEntries(annotations)]];
  });
  return Object.fromEntries(kept);
}

/** Media type of a manifest: what it says itself, else by its config, since old images do not say it. */
export function manifestMediaType(manifest: Uint8Array): string {
  const object = parseJsonObject(manifest, "manifest");
  const own = optionalStringField(object, "mediaType");
  if (own !== null) return own;
  const config = optionalObjectField(object, "config");
  const docker = config !== null && stringField(config, "mediaType").startsWith("application/vnd.docker.");
  return docker ? DOCKER_MANIFEST : OCI_MANIFEST;
}
