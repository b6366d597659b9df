import { parseDigest } from "../digest.ts";
import type { Candidate, Platform } from "../source/blob-source.ts";
import {
  asObject,
  type JsonObject,
  listField,
  optionalObjectField,
  optionalStringField,
  parseJsonObject,
  sizeField,
  stringField,
} from "./json-shape.ts";

/** A manifest or index that an index lists. */
export interface IndexEntry extends Candidate {
  /** The tag it has in a layout; null when it has none. */
  readonly refName: string | null;
}

const REF_NAME = "org.opencontainers.image.ref.name";

/**
 * Parses the bytes of an index, or of Docker's manifest list.
 *
 * @param place what to call it in errors
 * @throws OciError `MANIFEST_INVALID`, `DIGEST_INVALID`
 */
export function parseImageIndex(bytes: Uint8Array, place: string): IndexEntry[] {
  const index = parseJsonObject(bytes, place);
  return listField(index, "manifests", (item, itemPlace) => parseEntry(asObject(item, itemPlace)));
}

function parseEntry(entry: JsonObject): IndexEntry {
  const platform = optionalObjectField(entry, "platform");
  const annotations = optionalObjectField(entry, "annotations");
  return {
    mediaType: stringField(entry, "mediaType"),
    digest: parseDigest(stringField(entry, "digest"), `${entry.place}.digest`),
    size: sizeField(entry, "size"),
    platform: platform === null ? null : parsePlatform(platform),
    refName: annotations === null ? null : optionalStringField(annotations, REF_NAME),
  };
}

function parsePlatform(platform: JsonObject): Platform {
  return {
    os: stringField(platform, "os"),
    architecture: stringField(platform, "architecture"),
    variant: optionalStringField(platform, "variant"),
  };
}
