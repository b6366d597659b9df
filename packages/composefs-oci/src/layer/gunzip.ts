import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { CompressionError } from "./compression-error.ts";

const OUTPUT_BYTES = 256 * 1024;

/**
 * Decompresses gzip data of any number of members, on Node's thread pool.
 *
 * @throws CompressionError damaged, cut off, or bytes after the last member; whatever reading `data` throws
 */
export async function* gunzip(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = createGunzip({ chunkSize: OUTPUT_BYTES });
  let fed = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of data) {
      fed += chunk.length;
      yield chunk;
    }
  }
  const done = pipeline(Readable.from(counted(), { highWaterMark: 1 }), stream);
  // Judged below; this keeps a failure from counting as unhandled while the consumer is busy.
  const settled = done.then(
    () => null,
    (error: unknown) => error,
  );
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!code.startsWith("Z_")) throw error;
    throw new CompressionError(`gzip: ${(error as Error).message}`, stream.bytesWritten, error);
  } finally {
    stream.destroy();
    await settled;
  }
  // zlib takes zeros after a member for the end of it all.
  if (stream.bytesWritten === fed) return;
  throw new CompressionError("gzip: bytes after the last member", stream.bytesWritten);
}
