/*
 * One line per directory entry, columns separated by exactly one space, ended by LF (erofs-image.md §8.1):
 *
 *   column   written form                                           what a reader takes
 *   PATH     absolute, escaped                                      canonical, at most 4096 bytes
 *   SIZE     decimal                                                u64; only used for external and sparse files
 *   MODE     octal with type bits; hard link: `@120000`             u32; of hard links what stands before `@` is ignored
 *   NLINK    decimal, the true count                                u32, ignored but for whiteouts
 *   UID GID  decimal                                                u32
 *   RDEV     decimal, 0 unless a device                             u64
 *   MTIME    seconds `.` nanoseconds, no zero padding               u64 (the bits of an i64) `.` below 10^9
 *   PAYLOAD  external: `xx/rest`; symlink, hard link: the target    see parse-line.ts
 *   CONTENT  inline content                                         at most 512 bytes
 *   DIGEST   hexadecimal id of an external file                     any case, the length of the hash in use
 *   xattrs   any number of `KEY=VALUE`                              any order; of equal keys the greatest value stays
 *
 * `-` stands for nothing in PAYLOAD, CONTENT and DIGEST. Escapes: `\\` `\n` `\r` `\t` and `\xNN`.
 */

/** Index of each column; xattrs follow after the last. */
export const COLUMN = {
  PATH: 0,
  SIZE: 1,
  MODE: 2,
  NLINK: 3,
  UID: 4,
  GID: 5,
  RDEV: 6,
  MTIME: 7,
  PAYLOAD: 8,
  CONTENT: 9,
  DIGEST: 10,
  XATTRS: 11,
} as const;

const NAMES: readonly string[] = Object.keys(COLUMN);

/** Name of a column for messages. */
export function columnName(column: number): string {
  return column < COLUMN.XATTRS ? (NAMES[column] ?? "") : `xattr ${column - COLUMN.XATTRS + 1}`;
}

/** Greatest lengths in bytes, escapes undone (erofs-image.md §8.4). */
export const LIMIT = {
  path: 4096,
  inline: 512,
  symlink: 1024,
  xattrKey: 255,
  xattrValue: 65535,
  /** Sum of the key lengths of a line. */
  xattrKeys: 65535,
  /** A line as it stands in the file. Ours; the longest line an image can hold has about a hundredth of it. */
  line: 67_108_864,
} as const;

/** Type bits of MODE. */
export const TYPE = {
  mask: 0o170000,
  fifo: 0o010000,
  char: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  regular: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;
