import type { ChunkDecoder } from "./chunk-decoder.ts";

/** What may end a long operation early. */
export interface AbortOptions {
  /** Looked at between pieces: the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs a decoder over a stream. */
export async function* decodePieces<Chunk>(
  decoder: ChunkDecoder<Chunk>,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk, void, undefined> {
  signal?.throwIfAborted();
  for await (const piece of source) {
    signal?.throwIfAborted();
    decoder.push(piece);
    yield* rest(decoder);
  }
  decoder.finish();
  yield* rest(decoder);
}

function* rest<Chunk>(decoder: ChunkDecoder<Chunk>): Generator<Chunk, void, undefined> {
  for (let chunk = decoder.next(); chunk !== null; chunk = decoder.next()) {
    yield chunk;
  }
}
