import { type ChunkDecoder, createChunkDecoder, type Take } from "../chunk-decoder.ts";
import { type AbortOptions, decodePieces } from "../decode-pieces.ts";
import { SplitfdstreamError } from "../errors.ts";
import { MAX_INLINE_BYTES, readUint32 } from "../format.ts";
import { nameTooLong } from "./check-name.ts";
import { FILE_BACKED, FILE_HEAD_BYTES, INLINE_DATA, INLINE_HEAD_BYTES, MAX_NAME_BYTES, METADATA } from "./format.ts";
import type { SplitDirChunk } from "./split-dir-chunk.ts";

/** What the fixed part of a chunk tells; `length` bytes follow. */
type Head =
  | { readonly type: typeof METADATA | typeof INLINE_DATA; readonly length: number }
  | { readonly type: typeof FILE_BACKED; readonly length: number; readonly directory: number; readonly size: number };

/**
 * Decoder of a splitdirfdstream. Names are checked when files are opened, not here.
 *
 * @returns whose `next` throws SplitfdstreamError `TRUNCATED`, `UNKNOWN_CHUNK_TYPE`, `INLINE_TOO_LARGE`,
 *   `FILENAME_TOO_LONG` or `EXTERNAL_TOO_LARGE`; lengths are checked before the bytes they count are taken
 * @see containers-storage.md §5.1
 */
export function createSplitdirfdstreamDecoder(): ChunkDecoder<SplitDirChunk> {
  let type: number | null = null;
  let head: Head | null = null;
  return createChunkDecoder((take, offset) => {
    type ??= takeType(take, offset);
    if (type === null) {
      return null;
    }
    head ??= type === FILE_BACKED ? takeFileHead(take, offset) : takeInlineHead(take, offset, type);
    const bytes = head === null ? null : take(head.length);
    if (head === null || bytes === null) {
      return null;
    }
    const chunk = toChunk(head, bytes);
    type = null;
    head = null;
    return chunk;
  });
}

/**
 * Chunks of a splitdirfdstream, in order; those before a fault come out before the error. Bytes may be views of the
 * source's pieces.
 *
 * @throws SplitfdstreamError as {@link createSplitdirfdstreamDecoder}; rejects with `signal.reason`
 */
export function decodeDirStream(
  source: AsyncIterable<Uint8Array>,
  options: AbortOptions = {},
): AsyncGenerator<SplitDirChunk, void, undefined> {
  return decodePieces(createSplitdirfdstreamDecoder(), source, options.signal);
}

function takeType(take: Take, offset: number): number | null {
  const type = take(1)?.[0] ?? null;
  if (type !== null && type > FILE_BACKED) {
    throw new SplitfdstreamError(
      "UNKNOWN_CHUNK_TYPE",
      `chunk at byte ${offset}: expected type ${METADATA}, ${INLINE_DATA} or ${FILE_BACKED}, got ${type}`,
      { details: { offset, type } },
    );
  }
  return type;
}

function takeInlineHead(take: Take, offset: number, type: number): Head | null {
  const bytes = take(INLINE_HEAD_BYTES);
  if (bytes === null) {
    return null;
  }
  const length = readUint32(bytes, 0);
  if (length > MAX_INLINE_BYTES) {
    throw new SplitfdstreamError(
      "INLINE_TOO_LARGE",
      `chunk at byte ${offset}: expected at most ${MAX_INLINE_BYTES} bytes, got ${length}`,
      { details: { offset, length, limit: MAX_INLINE_BYTES } },
    );
  }
  return { type: type === METADATA ? METADATA : INLINE_DATA, length };
}

function takeFileHead(take: Take, offset: number): Head | null {
  const bytes = take(FILE_HEAD_BYTES);
  if (bytes === null) {
    return null;
  }
  const size = readUint32(bytes, 0) + readUint32(bytes, 4) * 2 ** 32;
  if (!Number.isSafeInteger(size)) {
    throw new SplitfdstreamError(
      "EXTERNAL_TOO_LARGE",
      `chunk at byte ${offset}: expected a content length of at most 2^53-1, got about ${size}`,
      { details: { offset } },
    );
  }
  const length = readUint32(bytes, 12);
  if (length > MAX_NAME_BYTES) {
    throw nameTooLong(length, { offset });
  }
  return { type: FILE_BACKED, length, directory: readUint32(bytes, 8), size };
}

function toChunk(head: Head, bytes: Uint8Array): SplitDirChunk {
  switch (head.type) {
    case METADATA:
      return { metadata: bytes };
    case INLINE_DATA:
      return { inlineData: bytes };
    case FILE_BACKED:
      return { fileBacked: { directory: head.directory, name: bytes, size: head.size } };
  }
}
