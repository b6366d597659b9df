import { type ChunkDecoder, createChunkDecoder } from "./chunk-decoder.ts";
import { SplitfdstreamError } from "./errors.ts";
import { MAX_INLINE_BYTES, PREFIX_BYTES, readUint32 } from "./format.ts";
import type { SplitChunk } from "./split-chunk.ts";

const WORD = 2 ** 32;
const SIGN_BIT = 2 ** 31;

/**
 * Decoder of a splitfdstream. Neighbouring inline chunks stay apart.
 *
 * @returns whose `next` throws SplitfdstreamError `TRUNCATED`, `INVALID_PREFIX`, `INLINE_TOO_LARGE` or
 *   `INDEX_TOO_LARGE`; lengths and indices are checked as soon as the prefix is there
 * @see containers-storage.md §5
 */
export function createSplitfdstreamDecoder(): ChunkDecoder<SplitChunk> {
  let inlineLength: number | null = null;
  return createChunkDecoder((take, offset) => {
    if (inlineLength === null) {
      const prefix = take(PREFIX_BYTES);
      if (prefix === null) {
        return null;
      }
      const low = readUint32(prefix, 0);
      const high = readUint32(prefix, 4);
      if (high < SIGN_BIT) {
        return { external: parseIndex(low, high, offset) };
      }
      inlineLength = parseInlineLength(low, high, offset);
    }
    const inline = take(inlineLength);
    if (inline === null) {
      return null;
    }
    inlineLength = null;
    return { inline };
  });
}

function parseIndex(low: number, high: number, offset: number): number {
  if (high !== 0) {
    throw new SplitfdstreamError(
      "INDEX_TOO_LARGE",
      `chunk at byte ${offset}: expected a file index of 32 bits, got ${hex(low, high)}`,
      { details: { offset } },
    );
  }
  return low;
}

/** Length from the two halves of a negative prefix; only one near zero has a length worth computing. */
function parseInlineLength(low: number, high: number, offset: number): number {
  if (high === SIGN_BIT && low === 0) {
    throw new SplitfdstreamError("INVALID_PREFIX", `chunk at byte ${offset}: the prefix -2^63 is not a length`, {
      details: { offset },
    });
  }
  const length = high === WORD - 1 ? WORD - low : Number.POSITIVE_INFINITY;
  if (length > MAX_INLINE_BYTES) {
    throw new SplitfdstreamError(
      "INLINE_TOO_LARGE",
      `chunk at byte ${offset}: expected at most ${MAX_INLINE_BYTES} inline bytes, got prefix ${hex(low, high)}`,
      { details: { offset, limit: MAX_INLINE_BYTES } },
    );
  }
  return length;
}

function hex(low: number, high: number): string {
  return `0x${high.toString(16).padStart(8, "0")}${low.toString(16).padStart(8, "0")}`;
}
