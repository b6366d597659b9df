import { read } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { createGunzip } from "node:zlib";
import { CstorageError } from "./errors.ts";

const readAsync = promisify(read);
const READ_BYTES = 256 * 1024;
const OUTPUT_BYTES = 256 * 1024;

/**
 * Decompresses the gzip file (several members allowed) open at `fd`, from its start and without moving its offset.
 *
 * @param file name for messages
 * @param signal ends the reading
 * @param running holds a promise while `fd` may be read; it settles soon after `signal` is aborted
 * @throws CstorageError `TAR_SPLIT_CORRUPT` not gzip, cut short, or bytes after the last member
 */
export async function* gunzipFile(
  fd: number,
  file: string,
  signal: AbortSignal,
  running: Set<Promise<unknown>>,
): AsyncGenerator<Buffer, void, undefined> {
  const gunzip = createGunzip({ chunkSize: OUTPUT_BYTES });
  const position = { bytes: 0 };
  const done = pipeline(Readable.from(readPieces(fd, position), { highWaterMark: 1 }), gunzip, { signal });
  // Judged below; this keeps a failure from counting as unhandled while the consumer is busy.
  const settled = done.then(
    () => null,
    (error: unknown) => error,
  );
  running.add(settled);
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    if (!code.startsWith("Z_")) throw cause;
    throw corruptGzip(file, (cause as Error).message, cause);
  } finally {
    gunzip.destroy();
    await settled;
    running.delete(settled);
  }
  if (position.bytes === 0) throw corruptGzip(file, "empty file");
  if (gunzip.bytesWritten !== position.bytes) {
    throw corruptGzip(file, `unexpected bytes at offset ${gunzip.bytesWritten} of ${position.bytes}`);
  }
}

async function* readPieces(fd: number, position: { bytes: number }): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await readAsync(fd, Buffer.allocUnsafe(READ_BYTES), 0, READ_BYTES, position.bytes);
    if (bytesRead === 0) return;
    position.bytes += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function corruptGzip(file: string, problem: string, cause?: unknown): CstorageError {
  return new CstorageError("TAR_SPLIT_CORRUPT", `${file}: gzip: ${problem}`, { details: { file }, cause });
}
