import { OciError } from "../errors.ts";
import type { AccessOptions } from "./blob-source.ts";
import type { FileContent, FileSet } from "./file-set.ts";

/** Most bytes of an index or manifest, read whole. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * A small file as a whole; null when there is none.
 *
 * @param limit bytes; what is longer is cut there, by default refused above 16 MiB
 * @throws OciError `SOURCE_INVALID` too long
 */
export async function readAll(
  files: FileSet,
  path: string,
  options: AccessOptions = {},
  limit?: number,
): Promise<Uint8Array | null> {
  const file = await files.open(path);
  if (file === null) return null;
  try {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of file.read(options)) {
      pieces.push(piece);
      length += piece.length;
      if (length >= (limit ?? MAX_BYTES)) break;
    }
    if (limit === undefined && length >= MAX_BYTES) {
      throw new OciError("SOURCE_INVALID", `${path} has ${MAX_BYTES} bytes or more`, {
        details: { path, limit: MAX_BYTES },
        hint: "no image needs so much",
      });
    }
    return Buffer.concat(pieces).subarray(0, limit);
  } finally {
    await file.close();
  }
}

/** The content of a file as a blob, closed when the reading ends; `missing` makes the error when there is none. */
export async function* readBlobFile(
  open: () => Promise<FileContent | null>,
  missing: () => OciError,
  options: AccessOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open();
  if (file === null) throw missing();
  try {
    yield* file.read(options);
  } finally {
    await file.close();
  }
}
