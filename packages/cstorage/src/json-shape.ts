import { CstorageError } from "./errors.ts";

/** A JSON object whose fields are not checked yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Where a value stands, for messages: file and a dotted position in it. */
export interface JsonPlace {
  readonly file: string;
  readonly position: string;
}

/** Parses JSON text. @throws CstorageError `STORE_CORRUPT` not JSON; the parser's own message names the offset */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CstorageError("STORE_CORRUPT", `${file}: expected JSON: ${(cause as Error).message}`, {
      details: { file },
      cause,
    });
  }
}

/** The error for a value of the wrong shape. */
export function wrongShape(place: JsonPlace, expected: string, found: unknown): CstorageError {
  const shown = found === undefined ? "nothing" : found === null ? "null" : showValue(found);
  return new CstorageError("STORE_CORRUPT", `${place.file}: ${place.position}: expected ${expected}, found ${shown}`, {
    details: { file: place.file, position: place.position, expected },
  });
}

/** Checks that `value` is an object. @throws CstorageError `STORE_CORRUPT` */
export function asObject(value: unknown, place: JsonPlace): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrongShape(place, "an object", value);
  return value as JsonObject;
}

/** Checks that `value` is an array. @throws CstorageError `STORE_CORRUPT` */
export function asArray(value: unknown, place: JsonPlace): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongShape(place, "an array", value);
  return value;
}

/** The string at `key`, or null when absent, null or empty (Go leaves empty strings out). @throws CstorageError `STORE_CORRUPT` */
export function optionalString(object: JsonObject, key: string, place: JsonPlace): string | null {
  const value = object[key];
  if (value === undefined || value === null || value === "") return null;
  if (typeof value !== "string") throw wrongShape(inside(place, key), "a string", value);
  return value;
}

/** The strings at `key`; absent or null = none. @throws CstorageError `STORE_CORRUPT` */
export function optionalStrings(object: JsonObject, key: string, place: JsonPlace): readonly string[] {
  const value = object[key];
  if (value === undefined || value === null) return [];
  const here = inside(place, key);
  return asArray(value, here).map((item, i) => {
    if (typeof item !== "string") throw wrongShape(inside(here, String(i)), "a string", item);
    return item;
  });
}

/** The object at `key`; absent or null = empty. @throws CstorageError `STORE_CORRUPT` */
export function optionalObject(object: JsonObject, key: string, place: JsonPlace): JsonObject {
  const value = object[key];
  return value === undefined || value === null ? {} : asObject(value, inside(place, key));
}

/** The place of member `key` of what is at `place`. */
export function inside(place: JsonPlace, key: string): JsonPlace {
  return { file: place.file, position: place.position === "" ? key : `${place.position}.${key}` };
}

function showValue(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  const text = `${typeof value} ${JSON.stringify(value)}`;
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
