import { ascii, hasBytesAt } from "./bytes.ts";
import { type ChecksumKind, sumBlock, verifyChecksum } from "./checksum.ts";
import { TarHeaderError } from "./errors.ts";
import {
  BLOCK_SIZE,
  DEVMAJOR,
  DEVMINOR,
  GID,
  GNAME,
  type HeaderField,
  LINKNAME,
  MAGIC_OFFSET,
  MODE,
  MTIME,
  NAME,
  PREFIX,
  SIZE,
  TYPEFLAG_OFFSET,
  UID,
  UNAME,
} from "./format.ts";
import { parseNumericField } from "./numeric-field.ts";
import { type TarType, typeFromFlag } from "./types.ts";

/** Dialect of a header block, by magic and version. PAX archives consist of `ustar` blocks. */
export type TarFormat = "v7" | "ustar" | "gnu";

/**
 * A header block with its numbers checked. Texts are subarrays of the block, made when asked for: they hold as long as
 * the caller leaves the block's bytes alone. Values are those of this block alone; extension entries are not applied.
 */
export interface TarHeader {
  readonly end: false;
  readonly format: TarFormat;
  readonly checksum: ChecksumKind;
  /** The type byte as stored; tells `other` types apart. */
  readonly typeflag: number;
  readonly type: TarType;
  /** Mode as stored: may hold file-type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Content bytes. Types 1 to 6 may carry a number here too. */
  readonly size: number;
  /** Seconds since 1970; may be negative. */
  readonly mtime: number;
  /** Device numbers, of every type; null in `v7` blocks. */
  readonly deviceMajor: number | null;
  readonly deviceMinor: number | null;
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  /** Null in `v7` blocks. */
  readonly userName: Uint8Array | null;
  readonly groupName: Uint8Array | null;
  /** Null unless `ustar`. */
  readonly prefix: Uint8Array | null;
  /** `prefix/name`, or the name alone when there is no prefix; nothing normalised. */
  readonly path: Uint8Array;
}

/** A block of zeros; two of them end an archive. */
export interface TarEndBlock {
  readonly end: true;
}

const END_BLOCK: TarEndBlock = Object.freeze({ end: true });
const USTAR_MAGIC = ascii("ustar\x0000");
const GNU_MAGIC = ascii("ustar  \0");

/**
 * Reads one header block. Checked in this order: length, end block, checksum field, sum, mode, uid, gid, size, mtime
 * and, in `ustar` and `gnu` blocks, the device numbers.
 *
 * @param block - at least 512 bytes, of which the first 512 count; kept as the backing of the result
 * @throws TarHeaderError `INSUFFICIENT_DATA`, `INVALID_NUMBER`, `FIELD_OVERFLOW`, `CHECKSUM_MISMATCH`
 * @see containers-storage.md §4
 */
export function parseHeaderBlock(block: Uint8Array): TarHeader | TarEndBlock {
  if (block.length < BLOCK_SIZE) {
    throw new TarHeaderError("INSUFFICIENT_DATA", `header block: expected ${BLOCK_SIZE} bytes, got ${block.length}`, {
      details: { length: block.length },
    });
  }
  const sum = sumBlock(block);
  return sum === 0 ? END_BLOCK : new HeaderView(block, verifyChecksum(block, sum));
}

/** Texts come from getters on the prototype: a header costs one object however much of it is read. */
class HeaderView implements TarHeader {
  readonly end = false;
  readonly format: TarFormat;
  readonly checksum: ChecksumKind;
  readonly typeflag: number;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly deviceMajor: number | null;
  readonly deviceMinor: number | null;
  readonly #block: Uint8Array;

  constructor(block: Uint8Array, checksum: ChecksumKind) {
    this.#block = block;
    this.checksum = checksum;
    this.format = formatOf(block);
    this.typeflag = block[TYPEFLAG_OFFSET] as number;
    this.type = typeFromFlag(this.typeflag);
    this.mode = parseNumericField(block, MODE);
    this.uid = parseNumericField(block, UID);
    this.gid = parseNumericField(block, GID);
    this.size = parseNumericField(block, SIZE);
    this.mtime = parseNumericField(block, MTIME, true);
    const hasDevice = this.format !== "v7";
    this.deviceMajor = hasDevice ? parseNumericField(block, DEVMAJOR) : null;
    this.deviceMinor = hasDevice ? parseNumericField(block, DEVMINOR) : null;
  }

  get name(): Uint8Array {
    return textField(this.#block, NAME);
  }

  get linkName(): Uint8Array {
    return textField(this.#block, LINKNAME);
  }

  get userName(): Uint8Array | null {
    return this.format === "v7" ? null : textField(this.#block, UNAME);
  }

  get groupName(): Uint8Array | null {
    return this.format === "v7" ? null : textField(this.#block, GNAME);
  }

  get prefix(): Uint8Array | null {
    return this.format === "ustar" ? textField(this.#block, PREFIX) : null;
  }

  get path(): Uint8Array {
    const { name, prefix } = this;
    if (prefix === null || prefix.length === 0) {
      return name;
    }
    const path = new Uint8Array(prefix.length + 1 + name.length);
    path.set(prefix);
    path[prefix.length] = 0x2f;
    path.set(name, prefix.length + 1);
    return path;
  }
}

/** Magic without the exact version is `v7`, as composefs-rs has it: digests of trees must agree with it. */
function formatOf(block: Uint8Array): TarFormat {
  if (hasBytesAt(block, MAGIC_OFFSET, USTAR_MAGIC)) {
    return "ustar";
  }
  return hasBytesAt(block, MAGIC_OFFSET, GNU_MAGIC) ? "gnu" : "v7";
}

/** Up to the first NUL, or the whole field. */
function textField(block: Uint8Array, field: HeaderField): Uint8Array {
  const limit = field.offset + field.length;
  const nul = block.indexOf(0, field.offset);
  return block.subarray(field.offset, nul < 0 || nul > limit ? limit : nul);
}
