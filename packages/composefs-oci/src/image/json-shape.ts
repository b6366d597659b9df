import { OciError } from "../errors.ts";

/** A JSON object whose fields are not checked yet, and what to call it in errors. */
export interface JsonObject {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly place: string;
}

/** @throws OciError `MANIFEST_INVALID` not JSON, or not an object */
export function parseJsonObject(bytes: Uint8Array, place: string): JsonObject {
  return asObject(parseJson(bytes, place), place);
}

/** @throws OciError `MANIFEST_INVALID` not JSON, or not a list; its items by `parseItem` */
export function parseJsonList<T>(bytes: Uint8Array, place: string, parseItem: ItemParser<T>): T[] {
  return asList(parseJson(bytes, place), place, parseItem);
}

function parseJson(bytes: Uint8Array, place: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    throw new OciError("MANIFEST_INVALID", `${place} is not JSON: ${(cause as Error).message}`, {
      details: { place },
      cause,
    });
  }
}

type ItemParser<T> = (item: unknown, place: string) => T;

/** A field that must be an object. */
export function objectField(parent: JsonObject, name: string): JsonObject {
  return asObject(parent.fields[name], `${parent.place}.${name}`);
}

/** A field that is an object, or absent. */
export function optionalObjectField(parent: JsonObject, name: string): JsonObject | null {
  return isAbsent(parent.fields[name]) ? null : objectField(parent, name);
}

/** A field that must be a list; its items by `parseItem`. */
export function listField<T>(parent: JsonObject, name: string, parseItem: ItemParser<T>): T[] {
  return asList(parent.fields[name], `${parent.place}.${name}`, parseItem);
}

/** A field that is a list, null or absent, which is as good as empty; its items by `parseItem`. */
export function optionalListField<T>(parent: JsonObject, name: string, parseItem: ItemParser<T>): T[] {
  return isAbsent(parent.fields[name]) ? [] : listField(parent, name, parseItem);
}

function asList<T>(value: unknown, place: string, parseItem: ItemParser<T>): T[] {
  if (!Array.isArray(value)) throw wrongType(place, "a list", value);
  return value.map((item, i) => parseItem(item, `${place}[${i}]`));
}

/** A field that must be a string. */
export function stringField(parent: JsonObject, name: string): string {
  return asString(parent.fields[name], `${parent.place}.${name}`);
}

/** A field that is a string, or absent. */
export function optionalStringField(parent: JsonObject, name: string): string | null {
  return isAbsent(parent.fields[name]) ? null : stringField(parent, name);
}

/** A field that must be a non-negative integer. */
export function sizeField(parent: JsonObject, name: string): number {
  const value = parent.fields[name];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrongType(`${parent.place}.${name}`, "a size", value);
}

/** `value` as an object. */
export function asObject(value: unknown, place: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return { fields: value as Readonly<Record<string, unknown>>, place };
  }
  throw wrongType(place, "an object", value);
}

/** `value` as a string. */
export function asString(value: unknown, place: string): string {
  if (typeof value === "string") return value;
  throw wrongType(place, "a string", value);
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function wrongType(place: string, expected: string, value: unknown): OciError {
  return new OciError("MANIFEST_INVALID", `${place}: expected ${expected}, found ${describe(value)}`, {
    details: { place },
  });
}

/** Characters of a string that an error repeats. */
const SHOWN_CHARS = 40;

// Not by JSON.stringify as a whole: a value may be huge, or nested deeper than the stack.
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  return JSON.stringify(typeof value === "string" ? value.slice(0, SHOWN_CHARS) : value);
}
