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
 * @param running holds a promise while `fd` is read; all settle soon after `signal` is aborted, and no more are added
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
  const done = pipeline(Readable.from(readPieces(fd, position, signal, running), { highWaterMark: 1 }), gunzip, {
    signal,
  });
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

/** A pipeline that fails does not wait for a read under way, so each is entered in `running` by itself. */
async function* readPieces(
  fd: number,
  position: { bytes: number },
  signal: AbortSignal,
  running: Set<Promise<unknown>>,
): AsyncGenerator<Buffer> {
  while (!signal.aborted) {
    const reading = readAsync(fd, Buffer.allocUnsafeSlow(READ_BYTES), 0, READ_BYTES, position.bytes);
    const settled = reading.then(
      () => null,
      (error: unknown) => error,
    );
    running.add(settled);
    const { bytesRead, buffer } = await reading;
    running.delete(settled);
    if (bytesRead === 0) return;
    position.bytes += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

function corruptGzip(file: string, problem: string, cause?: unknown): CstorageError {
  return new CstorageError("TAR_SPLIT_CORRUPT", `${file}: gzip: ${problem}`, { details: { file }, cause });
}
