import { Inflater } from "@composefs/core/import";
import { CompressionError } from "./compression-error.ts";
import { PiecePool } from "./piece-pool.ts";

/**
 * Decompresses gzip data of any number of members, on the native threads. The next piece of `data` is asked for when the
 * one before is used up.
 *
 * @throws CompressionError damaged, cut off, or bytes after the last member; whatever reading `data` throws
 */
export async function* gunzip(
  data: AsyncIterable<Uint8Array>,
  pieces: PiecePool = new PiecePool(),
): AsyncGenerator<Uint8Array, void, undefined> {
  const inflater = new Inflater();
  let offset = 0;
  let piece = pieces.take();
  let used = 0;
  for await (const chunk of data) {
    for (let rest = chunk, full = true; full; ) {
      const { consumed, produced, damage } = await inflater.inflate(rest, piece.subarray(used));
      offset += consumed;
      if (damage !== null) throw new CompressionError(`gzip: ${damage}`, offset);
      rest = rest.subarray(consumed);
      used += produced;
      full = used === piece.length; // else there is no more to come of this chunk
      if (!full) continue;
      yield piece;
      piece = pieces.take();
      used = 0;
    }
  }
  if (!inflater.complete) throw new CompressionError("gzip: unexpected end of the data", offset);
  if (used > 0) yield piece.subarray(0, used);
}
