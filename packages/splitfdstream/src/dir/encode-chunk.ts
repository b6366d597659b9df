import { checkIndex } from "../encode-chunk.ts";
import { SplitfdstreamError } from "../errors.ts";
import { MAX_INLINE_BYTES } from "../format.ts";
import { checkName } from "./check-name.ts";
import { FILE_BACKED, FILE_HEAD_BYTES, INLINE_DATA, INLINE_HEAD_BYTES, METADATA } from "./format.ts";
import type { BackedFile, SplitDirChunk } from "./split-dir-chunk.ts";

/**
 * Bytes of a chunk, as pieces to write one after the other. Nothing is copied but names. Empty metadata has no bytes at
 * all; empty content does have a chunk, since it stands for a file.
 *
 * @throws SplitfdstreamError `INLINE_TOO_LARGE`, `INDEX_TOO_LARGE`, `FILENAME_TOO_LONG`, `INVALID_FILENAME`
 * @throws RangeError when the directory index or the size is negative or no integer
 * @see containers-storage.md §5.1
 */
export function encodeDirChunk(chunk: SplitDirChunk): Uint8Array[] {
  if ("fileBacked" in chunk) {
    return [encodeFile(chunk.fileBacked)];
  }
  if ("metadata" in chunk) {
    return chunk.metadata.length === 0 ? [] : encodeInline(METADATA, chunk.metadata);
  }
  return encodeInline(INLINE_DATA, chunk.inlineData);
}

function encodeInline(type: number, bytes: Uint8Array): Uint8Array[] {
  if (bytes.length > MAX_INLINE_BYTES) {
    throw new SplitfdstreamError(
      "INLINE_TOO_LARGE",
      `chunk: expected at most ${MAX_INLINE_BYTES} bytes, got ${bytes.length}`,
      { details: { length: bytes.length, limit: MAX_INLINE_BYTES } },
    );
  }
  const head = new Uint8Array(1 + INLINE_HEAD_BYTES);
  head[0] = type;
  new DataView(head.buffer).setUint32(1, bytes.length, true);
  return [head, bytes];
}

function encodeFile(file: BackedFile): Uint8Array {
  const { directory, name, size } = file;
  checkName(name);
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(`content length: expected a safe integer from 0, got ${size}`);
  }
  const bytes = new Uint8Array(1 + FILE_HEAD_BYTES + name.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = FILE_BACKED;
  view.setBigUint64(1, BigInt(size), true);
  view.setUint32(9, checkIndex(directory), true);
  view.setUint32(13, name.length, true);
  bytes.set(name, 1 + FILE_HEAD_BYTES);
  return bytes;
}
