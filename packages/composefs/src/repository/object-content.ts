import { closeSync, readSync } from "node:fs";
import { type HashName, measureVerity } from "@composefs/reflink";
import { hasCode } from "./directory.ts";

/** Contents up to this size are read whole, in batches; larger ones in pieces of this size. */
export const WHOLE_BYTES: number = 1024 * 1024;

/** Content of an object: whole, or in pieces from an open file. */
export type ObjectContent = Uint8Array | Generator<Uint8Array>;

/** Closes the files of contents that were not read to their end. */
export function closeContents(contents: readonly ObjectContent[]): void {
  for (const content of contents) if (!(content instanceof Uint8Array)) content.return(undefined);
}

/** The bytes of an open file in pieces; the file is closed after the last, or by {@link closeContents}. */
export function contentPieces(fd: number): Generator<Uint8Array> {
  const content = pieces(fd);
  content.next(); // a generator that never began would not close its file
  return content;
}

/** The kernel's fs-verity digest of an open file; null when it is of another hash. */
export function measuredDigest(fd: number, hash: HashName): Uint8Array | null {
  try {
    return measureVerity(fd, hash);
  } catch (error) {
    if (hasCode(error, "EOVERFLOW")) return null;
    throw error;
  }
}

function* pieces(fd: number): Generator<Uint8Array> {
  try {
    yield Buffer.alloc(0);
    for (;;) {
      const piece = Buffer.allocUnsafeSlow(WHOLE_BYTES);
      const length = readSync(fd, piece);
      if (length === 0) return;
      yield piece.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}
