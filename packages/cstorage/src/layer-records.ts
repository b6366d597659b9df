import { isStoreId } from "./identifiers.ts";
import {
  asArray,
  asObject,
  inside,
  type JsonObject,
  type JsonPlace,
  optionalObject,
  optionalString,
  parseJson,
  wrongShape,
} from "./json-shape.ts";

/** A layer as `layers.json` has it; containers-storage.md §1.3. */
export interface LayerRecord {
  /** 64 hex digits. */
  readonly id: string;
  readonly parent: string | null;
  /** Digest of the uncompressed tar, as the writer recorded it. */
  readonly diffDigest: string | null;
  /** Claimed, unverified diff digest of a layer stored by its table of contents. */
  readonly expectedDiffId: string | null;
  /** Size of the uncompressed tar in bytes; null when unknown. */
  readonly diffSize: number | null;
  /** A layer whose writer did not finish; readers pass over it. */
  readonly incomplete: boolean;
}

/**
 * Parses the text of `layers.json`. Unknown fields are ignored; an empty text means no layers.
 *
 * @param file name for messages
 * @throws CstorageError `STORE_CORRUPT` names file, index and field
 */
export function parseLayerRecords(text: string, file: string): LayerRecord[] {
  if (text.trim() === "") return [];
  const value = parseJson(text, file);
  if (value === null) return [];
  return asArray(value, { file, position: "" }).map((item, i) => parseLayer(item, { file, position: `[${i}]` }));
}

function parseLayer(item: unknown, place: JsonPlace): LayerRecord {
  const object = asObject(item, place);
  const id = optionalString(object, "id", place);
  if (id === null || !isStoreId(id)) throw wrongShape(inside(place, "id"), "64 hex digits", object.id);
  const flags = optionalObject(object, "flags", place);
  const flagsPlace = inside(place, "flags");
  const incomplete = flags.incomplete ?? false;
  if (typeof incomplete !== "boolean") throw wrongShape(inside(flagsPlace, "incomplete"), "a boolean", incomplete);
  return {
    id,
    parent: optionalString(object, "parent", place),
    diffDigest: optionalString(object, "diff-digest", place),
    expectedDiffId: optionalString(flags, "expected-layer-diffid", flagsPlace),
    diffSize: parseSize(object, place),
    incomplete,
  };
}

function parseSize(object: JsonObject, place: JsonPlace): number | null {
  const size = object["diff-size"];
  if (size === undefined || size === null) return null;
  if (!Number.isSafeInteger(size)) throw wrongShape(inside(place, "diff-size"), "an integer up to 2^53-1", size);
  return (size as number) < 0 ? null : (size as number);
}
