/**
 * A splitfdstream is a sequence of chunks without header and trailer (containers-storage.md §5):
 *
 * | offset |  size | type  | meaning                                                                     |
 * |-------:|------:|-------|-----------------------------------------------------------------------------|
 * |      0 |     8 | i64LE | prefix p                                                                    |
 * |      8 |    −p | bytes | when p < 0: inline data, 256 MiB at most                                    |
 * |      8 |     0 |       | when p ≥ 0: the whole content of file p of those that travel with the stream |
 *
 * Where the stream itself travels as descriptor 0 of a message, file p is descriptor p + 1.
 */

/** Bytes of a prefix. */
export const PREFIX_BYTES = 8;

/** Most inline bytes of one chunk, in both formats: 256 MiB. */
export const MAX_INLINE_BYTES: number = 256 * 1024 * 1024;

/** Highest file or directory index: 32 bits, in both formats. */
export const MAX_INDEX: number = 2 ** 32 - 1;

/** Little-endian u32 at an offset. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  const b0 = bytes[offset] as number;
  const b1 = bytes[offset + 1] as number;
  const b2 = bytes[offset + 2] as number;
  const b3 = bytes[offset + 3] as number;
  return b0 + b1 * 0x100 + b2 * 0x1_0000 + b3 * 0x100_0000;
}
