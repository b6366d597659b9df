import { CstorageError } from "./errors.ts";
import { isDigest } from "./identifiers.ts";
import {
  asObject,
  inside,
  optionalObject,
  optionalString,
  optionalStrings,
  parseJson,
  wrongShape,
} from "./json-shape.ts";

const LIST_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
const DIGEST = "a sha256, sha384 or sha512 digest";

/**
 * The config digest in an image manifest.
 *
 * @param file name for messages
 * @throws CstorageError `MANIFEST_UNSUPPORTED` an index, a list or schema 1; `STORE_CORRUPT`
 */
export function configDigestOfManifest(bytes: Uint8Array, file: string): string {
  const place = { file, position: "" };
  const manifest = asObject(parseJson(Buffer.from(bytes).toString("utf8"), file), place);
  const mediaType = optionalString(manifest, "mediaType", place);
  const kind =
    manifest.manifests !== undefined || (mediaType !== null && LIST_TYPES.has(mediaType))
      ? "an index or manifest list"
      : manifest.schemaVersion === 1
        ? "a manifest of schema version 1"
        : null;
  if (kind !== null) {
    throw new CstorageError("MANIFEST_UNSUPPORTED", `${file}: expected an image manifest, found ${kind}`, {
      details: { file, mediaType, schemaVersion: manifest.schemaVersion },
    });
  }
  const config = asObject(manifest.config, inside(place, "config"));
  const digest = optionalString(config, "digest", inside(place, "config"));
  if (digest === null || !isDigest(digest)) throw wrongShape(inside(place, "config.digest"), DIGEST, config.digest);
  return digest;
}

/** The diff ids of an image config, base layer first. @throws CstorageError `STORE_CORRUPT` */
export function diffIdsOfConfig(bytes: Uint8Array, file: string): readonly string[] {
  const place = { file, position: "" };
  const config = asObject(parseJson(Buffer.from(bytes).toString("utf8"), file), place);
  const rootfs = optionalObject(config, "rootfs", place);
  const diffIds = optionalStrings(rootfs, "diff_ids", inside(place, "rootfs"));
  diffIds.forEach((diffId, i) => {
    if (!isDigest(diffId)) throw wrongShape(inside(place, `rootfs.diff_ids.${i}`), DIGEST, diffId);
  });
  return diffIds;
}
