import { ascii, hasBytesAt } from "./bytes.ts";
import { TarHeaderError } from "./errors.ts";
import { type PaxRecord, parsePaxRecords } from "./pax-records.ts";

/** What the records of one PAX extended header say about the entry after it; null where they say nothing. */
export interface PaxOverrides {
  path: Uint8Array | null;
  linkPath: Uint8Array | null;
  /** Content bytes. */
  size: number | null;
  /** Owners, wrapped to 32 bits. */
  uid: number | null;
  gid: number | null;
  /** Seconds since 1970. */
  mtimeSeconds: number | null;
  /** Fraction of the first `mtime` record; 0 when it has none. */
  mtimeNanoseconds: number | null;
  /** The `SCHILY.xattr.` records, in order, names with that prefix. */
  readonly xattrs: PaxRecord[];
}

const PATH = ascii("path");
const LINKPATH = ascii("linkpath");
const SIZE = ascii("size");
const UID = ascii("uid");
const GID = ascii("gid");
const MTIME = ascii("mtime");
const SPARSE_PREFIX = ascii("GNU.sparse.");
const DOT = 0x2e;
const PLUS = 0x2b;
/** Every decimal of so many digits is a safe integer. */
const SAFE_DIGITS = 15;
const U64_MAX = 2n ** 64n - 1n;
const decoder = new TextDecoder("latin1");

/** Bytes before the attribute's name in keys of extended attributes. */
export const XATTR_PREFIX: Uint8Array = ascii("SCHILY.xattr.");

/**
 * Applies records in order, the last of a key wins (oci.md §2.4). Keys other than those of the result are ignored.
 *
 * @throws TarHeaderError `TAR_MALFORMED`: bad records or values, sparse files; `FIELD_OVERFLOW`: a size or time beyond
 *   a safe integer
 */
export function parsePaxOverrides(data: Uint8Array): PaxOverrides {
  const result: PaxOverrides = {
    path: null,
    linkPath: null,
    size: null,
    uid: null,
    gid: null,
    mtimeSeconds: null,
    mtimeNanoseconds: null,
    xattrs: [],
  };
  for (const record of parsePaxRecords(data)) {
    const { key, value } = record;
    if (isKey(key, PATH)) {
      result.path = value;
    } else if (isKey(key, LINKPATH)) {
      result.linkPath = value;
    } else if (isKey(key, SIZE)) {
      result.size = toSafe("size", parseU64("size", value), value);
    } else if (isKey(key, UID)) {
      result.uid = toUint32(parseU64("uid", value));
    } else if (isKey(key, GID)) {
      result.gid = toUint32(parseU64("gid", value));
    } else if (isKey(key, MTIME)) {
      const dot = value.indexOf(DOT);
      const whole = parseU64("mtime", value, dot < 0 ? value.length : dot);
      // Read as unsigned but kept in 64 signed bits, so the upper half stands for times before 1970.
      result.mtimeSeconds = toSafe("mtime", typeof whole === "bigint" ? BigInt.asIntN(64, whole) : whole, value);
      result.mtimeNanoseconds ??= dot < 0 ? 0 : parseNanoseconds(value.subarray(dot + 1));
    } else if (hasBytesAt(key, 0, XATTR_PREFIX)) {
      result.xattrs.push(record);
    } else if (hasBytesAt(key, 0, SPARSE_PREFIX)) {
      throw new TarHeaderError("TAR_MALFORMED", `PAX record ${decoder.decode(key)}: sparse entries are not supported`, {
        details: { key: decoder.decode(key) },
      });
    }
  }
  return result;
}

function isKey(key: Uint8Array, name: Uint8Array): boolean {
  return key.length === name.length && hasBytesAt(key, 0, name);
}

/**
 * Decimal of up to 64 bits with an optional plus sign, as the reference takes it. A number wherever a safe integer is
 * certain by the count of digits: nearly every entry has an `mtime`, and BigInt is slow.
 */
function parseU64(key: string, value: Uint8Array, end: number = value.length): number | bigint {
  const start = value[0] === PLUS && end > 1 ? 1 : 0;
  let number = 0;
  let valid = end > start;
  for (let i = start; i < end && valid; i++) {
    const byte = value[i] as number;
    valid = isDigit(byte);
    number = number * 10 + (byte - 0x30);
  }
  if (valid && end - start <= SAFE_DIGITS) {
    return number;
  }
  // Leading zeros can make any length; the rounded sum is good enough to bound what is given to BigInt.
  if (valid && number < 1e20) {
    const exact = BigInt(decoder.decode(value.subarray(start, end)));
    if (exact <= U64_MAX) {
      return exact;
    }
  }
  throw new TarHeaderError(
    "TAR_MALFORMED",
    `PAX ${key}: expected a decimal number of up to 64 bits, got ${shown(value)}`,
    { details: { key } },
  );
}

function toUint32(value: number | bigint): number {
  return typeof value === "number" ? value % 2 ** 32 : Number(BigInt.asUintN(32, value));
}

function toSafe(key: string, value: number | bigint, source: Uint8Array): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) {
    throw new TarHeaderError("FIELD_OVERFLOW", `PAX ${key}: expected at most 2^53-1, got ${shown(source)}`, {
      details: { key },
    });
  }
  return number;
}

/** The first nine digits, padded with zeros to nine; 0 when they are not all digits. */
function parseNanoseconds(fraction: Uint8Array): number {
  let value = 0;
  for (let i = 0; i < 9; i++) {
    const byte = fraction[i];
    if (byte !== undefined && !isDigit(byte)) {
      return 0;
    }
    value = value * 10 + (byte === undefined ? 0 : byte - 0x30);
  }
  return value;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function shown(value: Uint8Array): string {
  return JSON.stringify(decoder.decode(value.subarray(0, 40)));
}
