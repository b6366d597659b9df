import { byteString } from "./bytes.ts";
import { TarHeaderError } from "./errors.ts";
import type { TarHeader } from "./header.ts";
import { type PaxOverrides, parsePaxOverrides, XATTR_PREFIX } from "./pax-overrides.ts";
import { isFileType, type TarType } from "./types.ts";

/**
 * An entry with its extension entries applied: PAX over GNU long names over the header (oci.md §2.4). Bytes are views
 * that hold as long as the caller leaves the pushed chunks alone.
 */
export interface TarEntry {
  /** Place of the entry's own header block: bytes from the start of the archive. */
  readonly headerOffset: number;
  /** The entry's own header, for the typeflag byte and what extensions do not touch. */
  readonly header: TarHeader;
  readonly type: TarType;
  /** Whether the content is that of a file (`regular` or `continuous`). */
  readonly isFile: boolean;
  /** Content bytes that follow in the archive, for every type. */
  readonly size: number;
  /** Never empty, nothing normalised. */
  readonly path: Uint8Array;
  /** Target of `link` and `symlink` entries (may be empty), else null. */
  readonly linkPath: Uint8Array | null;
  /** Mode as stored: may hold file-type bits. */
  readonly mode: number;
  /** Owners, wrapped to 32 bits. */
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970 (may be negative) and nanoseconds (0 to 999,999,999). */
  readonly mtime: { readonly sec: number; readonly nsec: number };
  /** Numbers of `char` and `block` entries; null for other types and in `v7` archives, which have none. */
  readonly device: { readonly major: number; readonly minor: number } | null;
  /** Extended attributes: name as a byte string (one char per byte) to raw value. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** Data of the extension entries before an entry; null where there was none. */
export interface EntryExtensions {
  readonly pax: Uint8Array | null;
  readonly longName: Uint8Array | null;
  readonly longLink: Uint8Array | null;
}

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/**
 * Joins a header and the extensions before it.
 *
 * @throws TarHeaderError `TAR_MALFORMED`: bad PAX data, sparse, empty path; `FIELD_OVERFLOW`: PAX number too large
 */
export function resolveEntry(header: TarHeader, extensions: EntryExtensions | null, headerOffset: number): TarEntry {
  const pax = extensions === null || extensions.pax === null ? null : parsePaxOverrides(extensions.pax);
  const entry = new EntryView(header, extensions, pax, headerOffset);
  if (entry.path.length === 0) {
    throw new TarHeaderError("TAR_MALFORMED", "entry has an empty path");
  }
  return entry;
}

/** Size and path are resolved at once, since every reader asks for them; the rest when asked for. */
class EntryView implements TarEntry {
  readonly headerOffset: number;
  readonly header: TarHeader;
  readonly size: number;
  readonly path: Uint8Array;
  readonly #longLink: Uint8Array | null;
  readonly #pax: PaxOverrides | null;

  constructor(header: TarHeader, extensions: EntryExtensions | null, pax: PaxOverrides | null, headerOffset: number) {
    this.headerOffset = headerOffset;
    this.header = header;
    this.size = pax?.size ?? header.size;
    this.path = pax?.path ?? extensions?.longName ?? header.path;
    this.#longLink = extensions?.longLink ?? null;
    this.#pax = pax;
  }

  get type(): TarType {
    return this.header.type;
  }

  get isFile(): boolean {
    return isFileType(this.header.type);
  }

  get linkPath(): Uint8Array | null {
    const { type } = this.header;
    return type === "link" || type === "symlink"
      ? (this.#pax?.linkPath ?? this.#longLink ?? this.header.linkName)
      : null;
  }

  get mode(): number {
    return this.header.mode;
  }

  get uid(): number {
    return this.#pax?.uid ?? this.header.uid >>> 0;
  }

  get gid(): number {
    return this.#pax?.gid ?? this.header.gid >>> 0;
  }

  get mtime(): { readonly sec: number; readonly nsec: number } {
    return { sec: this.#pax?.mtimeSeconds ?? this.header.mtime, nsec: this.#pax?.mtimeNanoseconds ?? 0 };
  }

  get device(): { readonly major: number; readonly minor: number } | null {
    const { type, deviceMajor, deviceMinor } = this.header;
    return (type === "char" || type === "block") && deviceMajor !== null && deviceMinor !== null
      ? { major: deviceMajor, minor: deviceMinor }
      : null;
  }

  get xattrs(): ReadonlyMap<string, Uint8Array> {
    if (this.#pax === null || this.#pax.xattrs.length === 0) {
      return NO_XATTRS;
    }
    const map = new Map<string, Uint8Array>();
    for (const { key, value } of this.#pax.xattrs) {
      map.set(byteString(key.subarray(XATTR_PREFIX.length)), value);
    }
    return map;
  }
}
