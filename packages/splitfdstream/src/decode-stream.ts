import { type AbortOptions, decodePieces } from "./decode-pieces.ts";
import { createSplitfdstreamDecoder } from "./decoder.ts";
import type { SplitChunk } from "./split-chunk.ts";

/**
 * Chunks of a splitfdstream, in order; those before a fault come out before the error. Inline bytes may be views of the
 * source's pieces: use or copy them before asking for more when the source fills its buffers anew.
 *
 * @throws SplitfdstreamError `TRUNCATED`, `INVALID_PREFIX`, `INLINE_TOO_LARGE`, `INDEX_TOO_LARGE`; rejects with
 *   `signal.reason`
 */
export function decodeStream(
  source: AsyncIterable<Uint8Array>,
  options: AbortOptions = {},
): AsyncGenerator<SplitChunk, void, undefined> {
  return decodePieces(createSplitfdstreamDecoder(), source, options.signal);
}
