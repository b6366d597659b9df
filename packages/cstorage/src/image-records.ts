import { isStoreId } from "./identifiers.ts";
import {
  asArray,
  asObject,
  inside,
  type JsonPlace,
  optionalObject,
  optionalString,
  optionalStrings,
  parseJson,
  wrongShape,
} from "./json-shape.ts";

/** An image as `images.json` has it; containers-storage.md §1.3. */
export interface ImageRecord {
  /** 64 hex digits. */
  readonly id: string;
  readonly digest: string | null;
  readonly names: readonly string[];
  /** Id of the top layer; null for an image without layers. */
  readonly layer: string | null;
  /** Big data key to digest. */
  readonly bigDataDigests: ReadonlyMap<string, string>;
}

/**
 * Parses the text of `images.json`. Unknown fields are ignored; an empty text means no images.
 *
 * @param file name for messages
 * @throws CstorageError `STORE_CORRUPT` names file, index and field
 */
export function parseImageRecords(text: string, file: string): ImageRecord[] {
  if (text.trim() === "") return [];
  const value = parseJson(text, file);
  if (value === null) return [];
  return asArray(value, { file, position: "" }).map((item, i) => parseImage(item, { file, position: `[${i}]` }));
}

/** All digests an image answers to: its own and those of its manifests. */
export function digestsOfImage(image: ImageRecord): readonly string[] {
  const digests = image.digest === null ? [] : [image.digest];
  for (const [key, digest] of image.bigDataDigests) if (key.startsWith("manifest")) digests.push(digest);
  return digests;
}

function parseImage(item: unknown, place: JsonPlace): ImageRecord {
  const object = asObject(item, place);
  const id = optionalString(object, "id", place);
  if (id === null || !isStoreId(id)) throw wrongShape(inside(place, "id"), "64 hex digits", object.id);
  const digestsPlace = inside(place, "big-data-digests");
  const bigDataDigests = new Map<string, string>();
  for (const [key, digest] of Object.entries(optionalObject(object, "big-data-digests", place))) {
    if (typeof digest !== "string") throw wrongShape(inside(digestsPlace, key), "a string", digest);
    bigDataDigests.set(key, digest);
  }
  return {
    id,
    digest: optionalString(object, "digest", place),
    names: optionalStrings(object, "names", place),
    layer: optionalString(object, "layer", place),
    bigDataDigests,
  };
}
