import { OciError } from "../errors.ts";
import { REF_NAME } from "../image/image-index.ts";
import {
  asObject,
  listField,
  optionalObjectField,
  optionalStringField,
  parseJsonObject,
  sizeField,
  stringField,
} from "../image/json-shape.ts";
import type { Descriptor } from "../image/manifest.ts";
import { OCI_INDEX } from "../media-types.ts";

/** A manifest to list in a layout's index. */
export interface NewIndexEntry extends Descriptor {
  /** What kind of artifact it is, where the manifest says so. */
  readonly artifactType: string | null;
  /** The name it gets, which another entry loses; null for none. */
  readonly tag: string | null;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * An index with more entries. What it has besides stays as it is; an entry that is there already stays, too, so that adding
 * something twice changes nothing.
 *
 * @param bytes the index so far; null where there is none
 * @param path of the file, for errors
 * @returns the new index; null when nothing changes
 * @throws OciError `DESTINATION_INVALID` the index is damaged, or is none
 */
export function addToIndex(bytes: Uint8Array | null, added: readonly NewIndexEntry[], path: string): Uint8Array | null {
  const index: Json = bytes === null ? { schemaVersion: 2, mediaType: OCI_INDEX } : parseIndex(bytes, path);
  const before = (index.manifests ?? []) as readonly Json[];
  const after = added.reduce(addEntry, before);
  if (bytes !== null && after === before) return null;
  return Buffer.from(JSON.stringify({ ...index, manifests: after }));
}

/** What an index says of an artifact besides its manifest's descriptor; null for images. */
export function artifactType(manifest: Uint8Array): string | null {
  const fields = parseJsonObject(manifest, "manifest");
  const type = optionalStringField(fields, "artifactType");
  if (type !== null || optionalObjectField(fields, "subject") === null) return type;
  const config = optionalObjectField(fields, "config");
  return config === null ? null : optionalStringField(config, "mediaType");
}

function addEntry(
  entries: readonly Json[],
  { mediaType, digest, size, artifactType, tag }: NewIndexEntry,
): readonly Json[] {
  const entry: Json = {
    mediaType,
    digest,
    size,
    ...(artifactType === null ? {} : { artifactType }),
    ...(tag === null ? {} : { annotations: { [REF_NAME]: tag } }),
  };
  const named = entries.filter((other) => refName(other) === tag);
  // Without a name of its own any entry of the manifest will do.
  const same = (tag === null ? entries : named).filter((other) => other.digest === digest);
  if (tag === null) return same.length > 0 ? entries : [...entries, entry];
  const [first] = named;
  if (first === undefined) return [...entries, entry];
  if (named.length === 1 && same.length === 1) return entries;
  // The first of the old ones gives its place.
  return entries.flatMap((other) => (other === first ? [same[0] ?? entry] : named.includes(other) ? [] : [other]));
}

function refName(entry: Json): unknown {
  return (entry.annotations as Json | null | undefined)?.[REF_NAME] ?? null;
}

function parseIndex(bytes: Uint8Array, path: string): Json {
  try {
    const index = parseJsonObject(bytes, "index.json");
    if (sizeField(index, "schemaVersion") !== 2) throw new Error("schemaVersion is not 2");
    const mediaType = optionalStringField(index, "mediaType");
    if (mediaType !== null && mediaType !== OCI_INDEX) throw new Error(`its media type is '${mediaType}'`);
    listField(index, "manifests", (item, place) => {
      const entry = asObject(item, place);
      stringField(entry, "digest");
      const annotations = optionalObjectField(entry, "annotations");
      if (annotations !== null) optionalStringField(annotations, REF_NAME);
    });
    return index.fields;
  } catch (cause) {
    throw new OciError("DESTINATION_INVALID", `${path} is no index of an OCI layout: ${(cause as Error).message}`, {
      details: { path },
      hint: "export to another directory, or repair or remove the file",
      cause,
    });
  }
}
