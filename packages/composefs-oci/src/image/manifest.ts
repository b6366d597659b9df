import { type OciDigest, parseDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { isContainerConfig } from "../media-types.ts";
import {
  asObject,
  type JsonObject,
  listField,
  objectField,
  optionalObjectField,
  optionalStringField,
  parseJsonObject,
  sizeField,
  stringField,
} from "./json-shape.ts";

/** What a manifest says of a blob. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: OciDigest;
  /** Bytes of the blob as stored, which may be compressed. */
  readonly size: number;
}

/** An image manifest; OCI or Docker schema 2. */
export interface Manifest {
  /** Artifacts have no image config: their layers are blobs of any type. */
  readonly kind: "container" | "artifact";
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  /** Image that an artifact is about. */
  readonly subject: Descriptor | null;
  /** What kind of artifact it says it is; null when it does not. */
  readonly artifactType: string | null;
}

/**
 * Parses the bytes of a manifest.
 *
 * @throws OciError `MANIFEST_INVALID`; `MANIFEST_UNSUPPORTED` an index, or schema version 1
 * @see oci.md §3.2
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const manifest = parseJsonObject(bytes, "manifest");
  refuseOtherDocuments(manifest);
  const config = parseDescriptor(objectField(manifest, "config"));
  const subject = optionalObjectField(manifest, "subject");
  return {
    kind: isContainerConfig(config.mediaType) ? "container" : "artifact",
    config,
    layers: listField(manifest, "layers", (item, place) => parseDescriptor(asObject(item, place))),
    subject: subject === null ? null : parseDescriptor(subject),
    artifactType: optionalStringField(manifest, "artifactType"),
  };
}

function refuseOtherDocuments(manifest: JsonObject): void {
  const version = sizeField(manifest, "schemaVersion");
  const what =
    version === 1
      ? "a manifest of schema version 1"
      : manifest.fields.manifests !== undefined
        ? "an index of several manifests"
        : null;
  if (what === null) return;
  throw new OciError("MANIFEST_UNSUPPORTED", `expected an image manifest, found ${what}`, {
    details: { schemaVersion: version, mediaType: optionalStringField(manifest, "mediaType") },
    hint:
      version === 1
        ? "no registry needs this format any more: convert the image (`skopeo copy --format oci`), or push it again"
        : "give the digest of the manifest for one platform",
  });
}

/** The three fields that every descriptor has. @throws OciError `MANIFEST_INVALID`, `DIGEST_INVALID` */
export function parseDescriptor(object: JsonObject): Descriptor {
  return {
    mediaType: stringField(object, "mediaType"),
    digest: parseDigest(stringField(object, "digest"), `${object.place}.digest`),
    size: sizeField(object, "size"),
  };
}
