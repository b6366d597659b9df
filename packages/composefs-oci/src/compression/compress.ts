import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { ZstdFrameWriter } from "@composefs/core";
import type { Compression } from "../media-types.ts";

const GZIP_LEVEL = 6;
const PIECE_BYTES = 256 * 1024;

/** How a tar can be compressed. */
export type CompressionKind = Exclude<Compression, "none">;

/**
 * Compresses as usual tools do by default: gzip at level 6 without name and time, or one zstd frame at level 3. Equal content
 * gives equal bytes.
 */
export function compress(content: AsyncIterable<Uint8Array>, kind: CompressionKind): AsyncGenerator<Uint8Array> {
  return kind === "gzip" ? gzip(content) : zstd(content);
}

async function* gzip(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const compressor = createGzip({ level: GZIP_LEVEL, chunkSize: PIECE_BYTES });
  const fed = pipeline(Readable.from(content, { objectMode: false }), compressor).then(
    () => null,
    (error: unknown) => ({ error }),
  );
  try {
    yield* compressor;
  } finally {
    // Whoever stops early stops the pipeline; its own error comes out of the loop above.
    compressor.destroy();
    await fed;
  }
}

async function* zstd(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const frame = new ZstdFrameWriter();
  for await (const bytes of content) {
    frame.write(bytes);
    yield* frame.take();
  }
  yield frame.finish();
}
