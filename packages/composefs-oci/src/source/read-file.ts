import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { OciError } from "../errors.ts";
import { isAbsent } from "../is-absent.ts";
import type { AccessOptions } from "./blob-source.ts";

/** Large, since each piece is a trip to a thread and back, twice. */
const PIECE_BYTES = 2 * 1024 * 1024;

/** Opens a regular file for reading without waiting for anything; null when there is none. */
export async function openRegular(path: string): Promise<FileHandle | null> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (isAbsent(error)) return null;
    // A socket, a device that is not there, links that lead to themselves.
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (["ENXIO", "ENODEV", "ELOOP"].includes(code)) throw notRegular(path, error);
    throw error;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw notRegular(path);
}

function notRegular(path: string, cause?: unknown): OciError {
  return new OciError("SOURCE_INVALID", `${path} is no regular file`, { details: { path }, cause });
}

/**
 * Reads `length` bytes of a file from `offset` on, in new buffers unless `reuse` is set, then in two by turns, or fewer
 * where the file ends before. The file stays open.
 */
export async function* readRange(
  file: FileHandle,
  offset: number,
  length: number,
  { signal, reuse = false }: AccessOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  let piece: Buffer | null = null;
  let other: Buffer | null = null;
  for (let done = 0; done < length; ) {
    signal?.throwIfAborted();
    [piece, other] = [other, piece];
    if (piece === null || !reuse) piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, length - done));
    const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, length - done), offset + done);
    if (bytesRead === 0) return;
    done += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
