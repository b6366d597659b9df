import type { Candidate, Platform } from "../source/blob-source.ts";
import {
  asObject,
  type JsonObject,
  listField,
  optionalObjectField,
  optionalStringField,
  parseJsonObject,
  stringField,
} from "./json-shape.ts";
import { parseDescriptor } from "./manifest.ts";

/** A manifest or index that an index lists. */
export interface IndexEntry extends Candidate {
  /** The tag it has in a layout; null when it has none. */
  readonly refName: string | null;
}

/** Annotation that holds the tag of an entry. */
export const REF_NAME = "org.opencontainers.image.ref.name";

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
    ...parseDescriptor(entry),
    platform: platform === null ? null : parsePlatform(platform),
    refName: annotations === null ? null : optionalStringField(annotations, REF_NAME),
  };
}

/** Null for an empty object, which says as much as none. */
function parsePlatform(platform: JsonObject): Platform | null {
  if (Object.keys(platform.fields).length === 0) return null;
  return {
    os: stringField(platform, "os"),
    architecture: stringField(platform, "architecture"),
    variant: optionalStringField(platform, "variant") || null,
  };
}
