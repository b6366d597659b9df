import { ZstdDecoder } from "@composefs/core/import";
import type { Compression } from "../media-types.ts";
import { ahead } from "./ahead.ts";
import { CompressionError } from "./compression-error.ts";
import { gunzip } from "./gunzip.ts";
import type { PiecePool } from "./piece-pool.ts";

const GZIP_MAGIC: readonly number[] = [0x1f, 0x8b];
const MAGIC_BYTES = 4;

/** What data that begins so is compressed with, as far as it can be told. */
export function sniffCompression(start: Uint8Array): Compression {
  if (GZIP_MAGIC.every((byte, i) => start[i] === byte)) return "gzip";
  return isZstd(start) ? "zstd" : "none";
}

/**
 * Decompresses all gzip members, or all zstd frames, skippable ones among them, in pieces that stay valid. Memory does
 * not depend on the ratio.
 *
 * @param data the next piece is asked for while one is in use, which may be overwritten when the next but one is asked for
 * @param pieces where the memory of the pieces may come from and be given back to
 * @throws CompressionError also for another kind of data and for bytes after the last member; whatever reading `data`
 *   throws
 * @see oci.md §2.1
 */
export function decompress(
  data: AsyncIterable<Uint8Array>,
  compression: Compression,
  pieces?: PiecePool,
): AsyncGenerator<Uint8Array, void, undefined> {
  switch (compression) {
    case "none":
      return plain(data);
    case "gzip":
      return ahead(gunzip(withMagic(ahead(data), "gzip"), pieces));
    case "zstd":
      return unzstdStream(withMagic(ahead(data), "zstd"));
  }
}

async function* plain(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* data;
}

async function* unzstdStream(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder = new ZstdDecoder();
  let offset = 0;
  const failed = (error: unknown): CompressionError =>
    new CompressionError(`zstd: ${(error as Error).message}`, offset, error);
  for await (const chunk of data) {
    const pieces = decoder.push(chunk);
    for (;;) {
      let piece: IteratorResult<Uint8Array, void>;
      try {
        piece = pieces.next();
      } catch (error) {
        throw failed(error);
      }
      if (piece.done) break;
      yield piece.value;
    }
    offset += chunk.length;
  }
  let last: Uint8Array;
  try {
    last = decoder.finish();
  } catch (error) {
    throw failed(error);
  }
  if (last.length > 0) yield last;
}

/** Passes data on once its beginning is that of gzip or zstd. */
async function* withMagic(
  data: AsyncIterable<Uint8Array>,
  expected: "gzip" | "zstd",
): AsyncGenerator<Uint8Array, void, undefined> {
  let start: Uint8Array | null = new Uint8Array();
  for await (const chunk of data) {
    if (start === null) {
      yield chunk;
      continue;
    }
    // A copy is kept of what is too short: the chunk may be overwritten when the next but one is asked for.
    start = start.length === 0 && chunk.length >= MAGIC_BYTES ? chunk : Buffer.concat([start, chunk]);
    if (start.length < MAGIC_BYTES) continue;
    checkMagic(start, expected);
    yield start;
    start = null;
  }
  if (start === null) return;
  if (start.length === 0) throw new CompressionError(`expected ${expected} data, found nothing`, 0);
  checkMagic(start, expected);
  yield start;
}

function checkMagic(start: Uint8Array, expected: "gzip" | "zstd"): void {
  const found = sniffCompression(start);
  if (found === expected) return;
  const what = found === "none" ? "something else" : found;
  throw new CompressionError(`expected ${expected} data by its media type, found ${what}`, 0);
}

/** A frame, or a skippable one (RFC 8878 §3.1). */
function isZstd(start: Uint8Array): boolean {
  if (start.length < MAGIC_BYTES) return false;
  const magic = new DataView(start.buffer, start.byteOffset).getUint32(0, true);
  return magic === 0xfd2fb528 || (magic >= 0x184d2a50 && magic <= 0x184d2a5f);
}
