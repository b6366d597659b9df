/**
 * A splitdirfdstream, the successor of splitfdstream, names files below directories that travel with it
 * (containers-storage.md §5.1). It is a sequence of chunks, each a type byte and the rest by type:
 *
 * | type | offset |  size | type  | meaning                                            |
 * |-----:|-------:|------:|-------|----------------------------------------------------|
 * |    0 |      1 |     4 | u32LE | metadata (tar headers, padding): length n          |
 * |      |      5 |     n | bytes | its bytes                                          |
 * |    1 |      1 |     4 | u32LE | content the sender had to read itself: length n    |
 * |      |      5 |     n | bytes | its bytes                                          |
 * |    2 |      1 |     8 | u64LE | content in a file: bytes of it, from the file's start |
 * |      |      9 |     4 | u32LE | index of the directory                             |
 * |      |     13 |     4 | u32LE | length n of the name                               |
 * |      |     17 |     n | bytes | name below that directory                          |
 */

export const METADATA = 0;
export const INLINE_DATA = 1;
export const FILE_BACKED = 2;

/** Bytes after the type byte and before those whose length they tell. */
export const INLINE_HEAD_BYTES = 4;
export const FILE_HEAD_BYTES = 16;

/** Most bytes of a name. */
export const MAX_NAME_BYTES = 4096;
