import { encodeChunk } from "./encode-chunk.ts";
import type { SplitChunk } from "./split-chunk.ts";

/**
 * Bytes of a splitfdstream, as pieces of any length.
 *
 * @throws SplitfdstreamError, RangeError as {@link encodeChunk}
 */
export async function* encodeStream(
  chunks: AsyncIterable<SplitChunk> | Iterable<SplitChunk>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    yield* encodeChunk(chunk);
  }
}
