/**
 * Splitstream file, all integers little-endian (repository.md §4):
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 11 | magic `SplitStream` |
 * | 11 | 1 | version 0 |
 * | 12 | 2 | flags 0 |
 * | 14 | 1 | algorithm: 1 sha256, 2 sha512 |
 * | 15 | 1 | log2 of the fs-verity block size: 12 |
 * | 16 | 16 | range of the info section (start, end; u64 file offsets, end exclusive) |
 * | 32 | 16 | range of stream_refs: raw digests of other splitstreams and images |
 * | 48 | 16 | range of object_refs: raw digests in order of first use |
 * | 64 | 16 | range of the stream: zstd of the chunks |
 * | 80 | 16 | range of named_refs: zstd of `index:name\0` records sorted by name |
 * | 96 | 8 | content type |
 * | 104 | 8 | length of the rebuilt data |
 *
 * The info section is the bytes 32..112. Sections follow as stream_refs, object_refs, named_refs, stream. A chunk is an
 * i64: negative, so many literal bytes follow; otherwise an index into object_refs, whose whole content stands there.
 */
export const MAGIC: Uint8Array = Buffer.from("SplitStream", "latin1");
/** Version this package writes and reads. */
export const VERSION = 0;
/** log2 of the fs-verity block size. */
export const LG_BLOCK_SIZE = 12;
/** Bytes before the info section. */
export const HEADER_BYTES = 32;
/** Bytes of the info section as written; readers accept longer ones. */
export const INFO_BYTES = 80;

/** Offsets of the fields named above. */
export const OFFSET = {
  version: 11,
  flags: 12,
  algorithm: 14,
  lgBlockSize: 15,
  infoRange: 16,
} as const;

/** Offsets of the first header layout (bootc up to 1.15), still read: the fields of {@link OFFSET} after the range. */
export const OLD_OFFSET = {
  infoRange: 0,
  flags: 16,
  magic: 18,
  version: 29,
  algorithm: 30,
  lgBlockSize: 31,
} as const;

/** Offsets inside the info section. */
export const INFO_OFFSET = {
  streamRefs: 0,
  objectRefs: 16,
  stream: 32,
  namedRefs: 48,
  contentType: 64,
  size: 72,
} as const;

/** Eight bytes that tell what a splitstream holds, as a latin1 string. */
export type ContentType = string & { readonly __contentType: unique symbol };

/** Makes a content type from eight characters below U+0100. @throws TypeError */
export function contentType(text: string): ContentType {
  if (!/^[\0-\xff]{8}$/.test(text)) throw new TypeError(`content type '${text}' has not eight bytes`);
  return text as ContentType;
}
