import { ByteQueue } from "./byte-queue.ts";
import { SplitfdstreamError } from "./errors.ts";

/**
 * Turns bytes into chunks, under any chunking of the bytes. Push a piece, call `next` until it gives null, push the next
 * one; after `finish`, `next` gives what is left and then null for good.
 *
 * Chunks hold views of the pushed pieces: a piece may be used anew once `next` has given null and the chunks from it are
 * done with.
 */
export interface ChunkDecoder<Chunk> {
  /** Adds bytes of the stream. */
  push(bytes: Uint8Array): void;
  /** Tells that no more bytes come. */
  finish(): void;
  /** The next chunk; null when more bytes are needed or, after `finish`, at the end. Its errors stay. */
  next(): Chunk | null;
}

/** Takes bytes of the chunk at hand: the next `length` of them, or null when they have not all come. */
export type Take = (length: number) => Uint8Array | null;

/**
 * The part of a decoder that is the same for every format.
 *
 * @param parse - goes on with the chunk at hand, which starts at `offset` of the stream; null when `take` gave null,
 *   upon which it is called again once there are more bytes and must ask for as many
 */
export function createChunkDecoder<Chunk>(parse: (take: Take, offset: number) => Chunk | null): ChunkDecoder<Chunk> {
  const queue = new ByteQueue();
  let chunkOffset = 0;
  let taken = 0;
  let finished = false;
  let failure: unknown = null;

  const take: Take = (length) => {
    const bytes = queue.take(length);
    taken += bytes === null ? 0 : length;
    return bytes;
  };

  return {
    push: (bytes) => queue.push(bytes),
    finish: () => {
      finished = true;
    },
    next: () => {
      if (failure !== null) {
        throw failure;
      }
      try {
        const chunk = parse(take, chunkOffset);
        if (chunk !== null) {
          chunkOffset += taken;
          taken = 0;
        } else if (finished && taken + queue.length > 0) {
          throw truncated(chunkOffset, taken + queue.length);
        }
        return chunk;
      } catch (error) {
        failure = error;
        throw error;
      }
    },
  };
}

function truncated(offset: number, received: number): SplitfdstreamError {
  return new SplitfdstreamError(
    "TRUNCATED",
    `stream ends within the chunk at byte ${offset}: only ${received} bytes of it came`,
    { details: { offset, received } },
  );
}
