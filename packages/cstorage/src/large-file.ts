import { closeSync, constants, fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import { KernelError, openat2, RESOLVE, readFiles, type StoreFailure } from "@composefs/reflink";
import { Crc64Stream } from "./crc64-stream.ts";
import { fileFailure } from "./file-failure.ts";
import type { LayerFile } from "./layer-batch.ts";
import type { LayerContent } from "./layer-content.ts";

const readAsync = promisify(read);
const PIECE_BYTES = 256 * 1024;
/** Shortest piece that {@link Crc64Stream} takes. */
const MIN_PIECE_BYTES = 8;
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
const RESOLVE_CONTENT = RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_XDEV;

/**
 * Streams a file of a layer by positional reads, checking type, size and checksum; the last two are certain only at the
 * end. Opening follows containers-storage.md §3.4 and §9.1.
 *
 * @throws CstorageError as {@link fileFailure} words them; KernelError
 */
export async function* readLargeFile(content: LayerContent, file: LayerFile): AsyncGenerator<Uint8Array> {
  const fd = await openContent(content, file);
  try {
    const crc = new Crc64Stream();
    for (let offset = 0; offset < file.size; ) {
      const piece = await readPiece(content, file, fd, offset);
      crc.update(piece);
      offset += piece.length;
      yield piece;
    }
    const { size } = fstatSync(fd);
    if (size !== file.size) fail(content, file, "size", null, size);
    if (file.crc64 !== null && Buffer.compare(crc.digest(), file.crc64) !== 0) fail(content, file, "crc", null);
  } finally {
    closeSync(fd);
  }
}

/** A piece of the file, filled whole and never so large that too short a rest would remain. */
async function readPiece(content: LayerContent, file: LayerFile, fd: number, offset: number): Promise<Buffer> {
  const left = file.size - offset;
  const length = left <= PIECE_BYTES ? left : Math.min(PIECE_BYTES, left - MIN_PIECE_BYTES);
  const piece = Buffer.allocUnsafeSlow(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await readAsync(fd, piece, filled, length - filled, offset + filled);
    if (bytesRead === 0) fail(content, file, "size", null, offset + filled);
    filled += bytesRead;
  }
  return piece;
}

/** Opens a file of a layer after checking type and size. @returns a descriptor that the caller closes */
export async function openContent(content: LayerContent, file: LayerFile): Promise<number> {
  const dir = await findDirectory(content, file);
  let fd: number;
  try {
    fd = openat2(dir, file.path, { flags: FLAGS, resolve: RESOLVE_CONTENT });
  } catch (error) {
    if (error instanceof KernelError) fail(content, file, "open", error);
    throw error;
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.size === file.size) return fd;
  closeSync(fd);
  return stat.isFile() ? fail(content, file, "size", null, stat.size) : fail(content, file, "not-regular", null);
}

/**
 * The first directory that has the file with content. Asking the native reader for a file of no bytes makes it refuse by
 * size, after its checks for type and metadata copies but before it reads.
 */
async function findDirectory(content: LayerContent, file: LayerFile): Promise<number> {
  let last: StoreFailure = { step: "open", error: null, actualSize: 0 };
  for (const dir of content.dirs) {
    const [outcome] = await readFiles([dir], [{ path: file.path, size: 0 }], 0);
    if (outcome === undefined || !("failure" in outcome)) return dir;
    const { failure } = outcome;
    if (failure.step === "size") return dir;
    if (last.step !== "metacopy") last = failure;
    const absent = failure.step === "open" && (failure.error?.code === "ENOENT" || failure.error?.code === "ENOTDIR");
    if (!absent && failure.step !== "metacopy")
      return fail(content, file, failure.step, failure.error, failure.actualSize);
  }
  return fail(content, file, last.step, last.error);
}

function fail(
  content: LayerContent,
  file: LayerFile,
  step: StoreFailure["step"],
  error: KernelError | null,
  actualSize = 0,
): never {
  throw fileFailure(content, file, { step, error, actualSize }) ?? error ?? new Error(`reading failed at step ${step}`);
}
