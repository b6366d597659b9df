/**
 * Byte tables of a composefs EROFS image (erofs-image.md §2); integers are little-endian, padding is zero.
 *
 * | at            | what                                                          |
 * |---------------|---------------------------------------------------------------|
 * | 0             | composefs header, 32 bytes ({@link HEADER})                   |
 * | 1024          | superblock, 128 bytes ({@link SUPERBLOCK})                    |
 * | 1152          | inodes, each from a multiple of 32                            |
 * | after inodes  | shared xattr entries, each padded to 4                        |
 * | next block    | data blocks of the inodes, in inode order, to the end of file |
 *
 * Inode ({@link INODE}): header of 32 (compact) or 64 bytes (extended), xattr area, tail (directory entries, the end of
 * a file, a link target or chunk indexes). Its number (nid) is its offset / 32.
 *
 * Xattr area: u32 name filter, u8 count of shared references, 7 zero bytes; the references, u32 each; local entries.
 * Xattr entry: u8 suffix length, u8 prefix index, u16 value length, suffix, value, zeros to a multiple of 4.
 *
 * Directory block: per entry u64 nid, u16 name offset in the block, u8 type, u8 zero; then the names.
 */
export const BLOCK_BYTES = 4096;

/** Inodes start at multiples of this; see {@link INODES_AT}. */
export const SLOT_BYTES = 32;

/** Largest image that readers take. */
export const MAX_IMAGE_BYTES = 1_073_741_824;

/** Offsets in the composefs header. */
export const HEADER = { magic: 0, headerVersion: 4, flags: 8, version: 12, bytes: 32 } as const;

/** First word of the composefs header. */
export const HEADER_MAGIC = 0xd078629a;

/** Version of the composefs header itself. */
export const HEADER_VERSION = 1;

/** Header flag of V0 and V1: some inode has a POSIX ACL. */
export const FLAG_HAS_ACL = 1;

/** Offsets of the superblock's fields from the start of the image. */
export const SUPERBLOCK = {
  magic: 1024,
  featureCompat: 1032,
  lgBlockSize: 1036,
  extSlots: 1037,
  rootNid: 1038,
  inodes: 1040,
  buildTime: 1048,
  buildTimeNanoseconds: 1056,
  blocks: 1060,
  metaBlock: 1064,
  xattrBlock: 1068,
  featureIncompat: 1104,
  compressionAlgorithms: 1108,
  extraDevices: 1110,
  xattrPrefixCount: 1115,
  packedNid: 1120,
} as const;

/** First word of the superblock. */
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2;

/** Written: MTIME and XATTR_FILTER. */
export const FEATURE_COMPAT = 6;

/** Read: also SB_CHKSUM. */
export const FEATURE_COMPAT_KNOWN = 7;

/** Read: CHUNKED_FILE; written images leave it out, chunks or not. */
export const FEATURE_INCOMPAT_KNOWN = 4;

/** Offset of the first inode, and the least size of an image. */
export const INODES_AT = 1152;

/** Offsets in an inode; {@link COMPACT} and {@link EXTENDED} have the fields that differ. `info` is i_u. */
export const INODE = { format: 0, xattrCount: 2, mode: 4, size: 8, info: 16, ino: 20 } as const;

/** Compact inode: 16-bit nlink and owners, 32-bit size, no time. */
export const COMPACT = { nlink: 6, uid: 24, gid: 26, bytes: 32 } as const;

/** Extended inode: 64-bit size, everything else 32 bits, time. */
export const EXTENDED = { uid: 24, gid: 28, mtime: 32, mtimeNanoseconds: 40, nlink: 44, bytes: 64 } as const;

/** Where an inode's data is: blocks; blocks and a tail; chunk indexes. Twice this is in the format field. */
export const LAYOUT = { plain: 0, inline: 2, chunked: 4 } as const;

/** File types as directory entries number them; {@link TYPE_MODES} has the mode bits. */
export const FILE_TYPE = { regular: 1, directory: 2, char: 3, block: 4, fifo: 5, socket: 6, symlink: 7 } as const;

/** Type bits of the mode by {@link FILE_TYPE}. */
export const TYPE_MODES: readonly number[] = [0, 0o100000, 0o040000, 0o020000, 0o060000, 0o010000, 0o140000, 0o120000];

/** Length of an xattr area before its references. */
export const XATTR_HEADER_BYTES = 12;

/** Xattr name prefixes by index (§2.5). */
export const XATTR_PREFIXES: readonly string[] = [
  "",
  "user.",
  "system.posix_acl_access",
  "system.posix_acl_default",
  "trusted.",
  "lustre.",
  "security.",
];

/** Indexes of {@link XATTR_PREFIXES} with a meaning of their own. */
export const XATTR_INDEX = { aclAccess: 2, aclDefault: 3, trusted: 4, lustre: 5 } as const;

/** Fixed part of an xattr entry. */
export const XATTR_ENTRY_BYTES = 4;

/** A directory entry without its name. */
export const DIRENT_BYTES = 12;

/** A directory at this depth (root: 0) is too deep. */
export const MAX_DEPTH = 2048;

/** V2 readers take no longer content of inline files. */
export const V2_MAX_INLINE_BYTES = 512;

/** V2 readers take no longer link targets. */
export const V2_MAX_TARGET_BYTES = 1024;

/** Length of a chunk index. */
export const CHUNK_INDEX_BYTES = 4;

/** A chunk index that says "no block". */
export const NO_CHUNK = 0xffffffff;

/** log2 of the largest chunk (§3.4). */
export const LG_CHUNK_MAX = 43;

/** `n` rounded up to a multiple of `unit`; both below 2^53. */
export function roundUp(n: number, unit: number): number {
  return Math.ceil(n / unit) * unit;
}
