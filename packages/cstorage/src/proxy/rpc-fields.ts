import { protocolError, type RpcFields } from "./rpc-message.ts";

/** Longest text taken from the other side, in UTF-16 units. */
const MAX_TEXT = 64 * 1024;

/** The string at `key`. @throws CstorageError `HELPER_PROTOCOL` */
export function stringAt(fields: RpcFields, key: string): string {
  const value = fields[key];
  if (typeof value === "string" && value.length <= MAX_TEXT) return value;
  throw protocolError(`"${key}" is no string`);
}

/** The string at `key`, or null. @throws CstorageError `HELPER_PROTOCOL` */
export function nullableStringAt(fields: RpcFields, key: string): string | null {
  return fields[key] === null ? null : stringAt(fields, key);
}

/** The integer from `low` to `high` at `key`. @throws CstorageError `HELPER_PROTOCOL` */
export function integerAt(fields: RpcFields, key: string, low: number, high: number = Number.MAX_SAFE_INTEGER): number {
  const value = fields[key];
  if (Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high) return value as number;
  throw protocolError(`"${key}" is no integer from ${low} to ${high}`);
}

/** The array at `key`, each item read by `read`. @throws CstorageError `HELPER_PROTOCOL` */
export function listAt<T>(fields: RpcFields, key: string, read: (item: RpcFields) => T): T[] {
  const value = fields[key];
  if (!Array.isArray(value)) throw protocolError(`"${key}" is no array`);
  return value.map((item) => {
    if (typeof item !== "object" || item === null) throw protocolError(`"${key}" has an item that is no object`);
    return read(item as RpcFields);
  });
}
