import type { AbortOptions } from "./decode-pieces.ts";
import { SplitfdstreamError } from "./errors.ts";
import { PositionalReader } from "./positional-reader.ts";
import type { SplitChunk } from "./split-chunk.ts";

/**
 * The stream that chunks stand for: inline bytes and whole files joined, in pieces of any length but 0. For bytes of a
 * splitfdstream give it `decodeStream(source)`.
 *
 * @param fds - descriptors by index, of files that allow reading at a position; read from position 0 to their end, so
 *   an index may come again and the descriptors' own offsets do not matter. The caller keeps them open and closes them.
 * @throws SplitfdstreamError `FD_INDEX_OUT_OF_RANGE`, and what the source of the chunks throws; the kernel's error when
 *   a file cannot be read; rejects with `signal.reason`
 * @see containers-storage.md §5
 */
export async function* reconstruct(
  chunks: AsyncIterable<SplitChunk> | Iterable<SplitChunk>,
  fds: readonly number[],
  options: AbortOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal } = options;
  const reader = new PositionalReader();
  signal?.throwIfAborted();
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    if ("inline" in chunk) {
      if (chunk.inline.length > 0) {
        yield chunk.inline;
      }
      continue;
    }
    const fd = fds[chunk.external];
    if (fd === undefined) {
      throw new SplitfdstreamError(
        "FD_INDEX_OUT_OF_RANGE",
        `external chunk: expected the index of one of ${fds.length} files, got ${chunk.external}`,
        { details: { index: chunk.external, files: fds.length } },
      );
    }
    for await (const piece of reader.read(fd)) {
      yield piece;
      signal?.throwIfAborted();
    }
  }
}
