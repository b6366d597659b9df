import { createGunzip, type Gunzip } from "node:zlib";
import { CompressionError } from "./compression-error.ts";

/** Large, since each piece is a trip to a thread and back. */
const OUTPUT_BYTES = 1024 * 1024;

/**
 * Decompresses gzip data of any number of members, on Node's thread pool. The next piece of `data` is asked for when the
 * one before is used up.
 *
 * @throws CompressionError damaged, cut off, or bytes after the last member; whatever reading `data` throws
 */
export async function* gunzip(data: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = createGunzip({ chunkSize: OUTPUT_BYTES });
  const fed = feed(stream, data);
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (!code.startsWith("Z_")) throw error;
    throw new CompressionError(`gzip: ${(error as Error).message}`, stream.bytesWritten, error);
  } finally {
    stream.destroy();
    await fed;
  }
  // zlib takes zeros after a member for the end of it all.
  if (stream.bytesWritten === (await fed)) return;
  throw new CompressionError("gzip: bytes after the last member", stream.bytesWritten);
}

/** Writes all of `data`; answers how much that was. What goes wrong is for the reader of `stream` to see. */
async function feed(stream: Gunzip, data: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  try {
    for await (const chunk of data) {
      bytes += chunk.length;
      if (!(await written(stream, chunk))) return bytes;
    }
    stream.end();
  } catch (error) {
    stream.destroy(error as Error);
  }
  return bytes;
}

/** Whether zlib took the chunk; not when it failed, was at its end, or is given up. */
function written(stream: Gunzip, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const stopped = (): void => resolve(false);
    stream.once("close", stopped);
    stream.write(chunk, (error) => {
      stream.off("close", stopped);
      resolve(error === null || error === undefined);
    });
  });
}
