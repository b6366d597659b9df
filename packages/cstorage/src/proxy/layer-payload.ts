import { createSplitfdstreamDecoder, encodeChunk, type SplitChunk, SplitfdstreamError } from "@composefs/splitfdstream";
import { entryPath } from "../entry-path.ts";
import type { LayerFile, LayerRun } from "../layer-batch.ts";
import { protocolError } from "./rpc-message.ts";

/**
 * A run of a layer as bytes, little-endian: for each file its size (8), the length of its name (4), 1 if a CRC-64 is
 * known (1), the CRC-64 (8) and the name; then the chunks as splitfdstream. The files' descriptors travel beside it.
 */
const HEAD_BYTES = 21;
const NAME_OFFSET = 8;
const FLAG_OFFSET = 12;
const CRC_OFFSET = 13;
const CRC_BYTES = 8;

/** The bytes of a run. */
export function encodeRun({ chunks, files }: LayerRun): Buffer {
  const parts: Uint8Array[] = [];
  for (const { name, size, crc64 } of files) {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeBigUInt64LE(BigInt(size), 0);
    head.writeUInt32LE(name.length, NAME_OFFSET);
    if (crc64 !== null) {
      head[FLAG_OFFSET] = 1;
      head.set(crc64, CRC_OFFSET);
    }
    parts.push(head, name);
  }
  for (const chunk of chunks) parts.push(...encodeChunk(chunk));
  return Buffer.concat(parts);
}

/**
 * Reads {@link encodeRun}'s bytes.
 *
 * @param fileCount files of the run, as many as there are descriptors
 * @param firstFile index of the first, counted from the start of the layer
 * @returns the run, and how many bytes of the tar it makes
 * @throws CstorageError `HELPER_PROTOCOL` malformed, or the chunks do not name each file once and in order
 */
export function decodeRun(
  payload: Uint8Array,
  fileCount: number,
  firstFile: number,
): { run: LayerRun; totalBytes: number } {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const { files, end } = decodeFiles(bytes, fileCount);
  const chunks = decodeChunks(bytes.subarray(end));
  let totalBytes = 0;
  let next = 0;
  for (const chunk of chunks) {
    if ("inline" in chunk) {
      totalBytes += chunk.inline.length;
      continue;
    }
    const file = files[next];
    if (file === undefined || chunk.external !== firstFile + next) {
      throw protocolError(`a run whose chunk names file ${chunk.external}, not ${firstFile + next}`);
    }
    totalBytes += file.size;
    next += 1;
  }
  if (next !== fileCount) throw protocolError(`a run of ${fileCount} files whose chunks name ${next}`);
  return { run: { chunks, files, firstFile }, totalBytes };
}

function decodeFiles(bytes: Buffer, count: number): { files: LayerFile[]; end: number } {
  const files: LayerFile[] = [];
  let offset = 0;
  for (let i = 0; i < count; i++) {
    const nameOffset = offset + HEAD_BYTES;
    if (nameOffset > bytes.length) throw protocolError("a run that ends within its files");
    const size = Number(bytes.readBigUInt64LE(offset));
    const end = nameOffset + bytes.readUInt32LE(offset + NAME_OFFSET);
    if (end > bytes.length) throw protocolError("a run that ends within a name");
    if (!Number.isSafeInteger(size) || size === 0) throw protocolError(`a file of ${size} bytes`);
    const crc = bytes.subarray(offset + CRC_OFFSET, offset + CRC_OFFSET + CRC_BYTES);
    const name = bytes.subarray(nameOffset, end);
    if (name.includes(0)) throw protocolError("a name with a NUL byte");
    files.push({ name, path: entryPath(name), size, crc64: bytes[offset + FLAG_OFFSET] === 1 ? crc : null });
    offset = end;
  }
  return { files, end: offset };
}

function decodeChunks(bytes: Uint8Array): SplitChunk[] {
  const chunks: SplitChunk[] = [];
  const decoder = createSplitfdstreamDecoder();
  decoder.push(bytes);
  decoder.finish();
  try {
    for (let chunk = decoder.next(); chunk !== null; chunk = decoder.next()) chunks.push(chunk);
  } catch (error) {
    if (error instanceof SplitfdstreamError) throw protocolError("a run whose chunks are malformed", error);
    throw error;
  }
  return chunks;
}
