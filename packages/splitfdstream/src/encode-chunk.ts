import { SplitfdstreamError } from "./errors.ts";
import { MAX_INDEX, MAX_INLINE_BYTES, PREFIX_BYTES } from "./format.ts";
import type { SplitChunk } from "./split-chunk.ts";

/**
 * Bytes of a chunk, as pieces to write one after the other. Inline bytes are not copied; an empty inline chunk has no
 * bytes at all, so an encoded stream needs no end.
 *
 * @throws SplitfdstreamError `INLINE_TOO_LARGE`: more than 256 MiB; `INDEX_TOO_LARGE`: more than 32 bits
 * @throws RangeError when the index is negative or no integer
 * @see containers-storage.md §5
 */
export function encodeChunk(chunk: SplitChunk): Uint8Array[] {
  if ("external" in chunk) {
    return [encodePrefix(BigInt(checkIndex(chunk.external)))];
  }
  const { inline } = chunk;
  if (inline.length > MAX_INLINE_BYTES) {
    throw new SplitfdstreamError(
      "INLINE_TOO_LARGE",
      `inline chunk: expected at most ${MAX_INLINE_BYTES} bytes, got ${inline.length}`,
      { details: { length: inline.length, limit: MAX_INLINE_BYTES } },
    );
  }
  return inline.length === 0 ? [] : [encodePrefix(-BigInt(inline.length)), inline];
}

/**
 * The number itself when it can be written as an index.
 *
 * @throws SplitfdstreamError `INDEX_TOO_LARGE`: more than 32 bits
 * @throws RangeError when it is negative or no integer
 */
export function checkIndex(index: number): number {
  if (index > MAX_INDEX) {
    throw new SplitfdstreamError("INDEX_TOO_LARGE", `index: expected at most ${MAX_INDEX}, got ${index}`, {
      details: { index },
    });
  }
  if (!Number.isInteger(index) || index < 0) {
    throw new RangeError(`index: expected an integer from 0 to ${MAX_INDEX}, got ${index}`);
  }
  return index;
}

function encodePrefix(prefix: bigint): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES);
  new DataView(bytes.buffer).setBigInt64(0, prefix, true);
  return bytes;
}
