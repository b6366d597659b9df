import { closeSync, fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import type { StoreFailure } from "@composefs/reflink";
import { Crc64Stream } from "./crc64-stream.ts";
import { fileFailure } from "./file-failure.ts";
import type { LayerFile } from "./layer-batch.ts";

const readAsync = promisify(read);
const PIECE_BYTES = 256 * 1024;
/** Shortest piece that {@link Crc64Stream} takes. */
const MIN_PIECE_BYTES = 8;

type Layer = { readonly id: string };

/**
 * Streams the file of a layer that is open at `fd` by positional reads, checking size and checksum, both certain only at
 * the end; then closes it.
 *
 * @throws CstorageError as {@link fileFailure} words them; KernelError
 */
export async function* readLargeFile(layer: Layer, file: LayerFile, fd: number): AsyncGenerator<Uint8Array> {
  try {
    const crc = new Crc64Stream();
    for (let offset = 0; offset < file.size; ) {
      const piece = await readPiece(layer, file, fd, offset);
      crc.update(piece);
      offset += piece.length;
      yield piece;
    }
    const { size } = fstatSync(fd);
    if (size !== file.size) fail(layer, file, "size", size);
    if (file.crc64 !== null && Buffer.compare(crc.digest(), file.crc64) !== 0) fail(layer, file, "crc", file.size);
  } finally {
    closeSync(fd);
  }
}

/** A piece of the file, filled whole and never so large that too short a rest would remain. */
async function readPiece(layer: Layer, file: LayerFile, fd: number, offset: number): Promise<Buffer> {
  const left = file.size - offset;
  const length = left <= PIECE_BYTES ? left : Math.min(PIECE_BYTES, left - MIN_PIECE_BYTES);
  const piece = Buffer.allocUnsafeSlow(length);
  for (let filled = 0; filled < length; ) {
    const { bytesRead } = await readAsync(fd, piece, filled, length - filled, offset + filled);
    if (bytesRead === 0) fail(layer, file, "size", offset + filled);
    filled += bytesRead;
  }
  return piece;
}

function fail(layer: Layer, file: LayerFile, step: StoreFailure["step"], actualSize: number): never {
  throw fileFailure(layer, file, { step, error: null, actualSize }) ?? new Error(`reading failed at step ${step}`);
}
