import { ALGORITHM_NUMBER, DIGEST_BYTES, type HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { type ObjectId, objectIdFromBytes } from "../fsverity/object-id.ts";
import { type DecodeOptions, unzstd } from "../zstd.ts";
import {
  type ContentType,
  INFO_BYTES,
  INFO_OFFSET,
  LG_BLOCK_SIZE,
  MAGIC,
  OFFSET,
  OLD_OFFSET,
  VERSION,
} from "./format.ts";

/** Named references of a real stream, one for each layer and image, are some kilobytes. */
const MOST_NAME_BYTES = 16 * 1024 * 1024;

/** A piece of a splitstream's data: literal bytes, or an object whose whole content stands there. */
export type SplitstreamPart = { readonly inline: Uint8Array } | { readonly object: ObjectId };

/** A parsed splitstream file. */
export interface Splitstream {
  readonly type: ContentType;
  /** Length of the rebuilt data in bytes, as the file says. */
  readonly size: number;
  /** Objects referred to, in order of first use. */
  readonly objectRefs: readonly ObjectId[];
  /** Splitstreams and images referred to by name. */
  readonly namedRefs: ReadonlyMap<string, ObjectId>;
  /** The data in order; a long inline run may come in several pieces. @throws ComposefsError `STREAM_CORRUPT` */
  parts(options?: DecodeOptions): Generator<SplitstreamPart>;
}

/** Whether bytes start as a splitstream file does, of either header layout. */
export function isSplitstream(bytes: Uint8Array): boolean {
  const at = (offset: number): boolean => Buffer.compare(bytes.subarray(offset, offset + MAGIC.length), MAGIC) === 0;
  return at(0) || at(OLD_OFFSET.magic);
}

/**
 * Parses a splitstream file, of the present or the first header layout.
 *
 * @param name what to call it in errors
 * @throws ComposefsError `STREAM_CORRUPT` with the offset; also for a stream of the other hash
 */
export function parseSplitstream(file: Uint8Array, hash: HashName, name: string): Splitstream {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const corrupt = (what: string, offset?: number, cause?: unknown): ComposefsError =>
    new ComposefsError(
      "STREAM_CORRUPT",
      `splitstream ${name}: ${what}${offset === undefined ? "" : ` at byte ${offset}`}`,
      {
        details: { stream: name, offset: offset ?? null },
        hint: "check the repository with fsck; import the stream's source again",
        ...(cause === undefined ? {} : { cause }),
      },
    );
  const range = (at: number): Buffer => {
    const start = bytes.readBigUInt64LE(at);
    const end = bytes.readBigUInt64LE(at + 8);
    if (start > end || end > BigInt(bytes.length)) {
      throw corrupt(`section ${start}..${end} of a file of ${bytes.length} bytes`, at);
    }
    return bytes.subarray(Number(start), Number(end));
  };

  if (bytes.length < OFFSET.infoRange + 16) throw corrupt(`${bytes.length} bytes are too few for a header`);
  if (!isSplitstream(bytes)) throw corrupt("no splitstream magic", 0);
  const current = bytes.subarray(0, MAGIC.length).equals(MAGIC);
  const at = current ? OFFSET : OLD_OFFSET;
  const field = (offset: number, expected: number, what: string): void => {
    const found = bytes.readUInt8(offset);
    if (found !== expected) throw corrupt(`${what} ${found}, expected ${expected}`, offset);
  };
  field(at.version, VERSION, "version");
  field(at.algorithm, ALGORITHM_NUMBER[hash], "fs-verity algorithm");
  field(at.lgBlockSize, LG_BLOCK_SIZE, "log2 of the block size");
  const info = range(at.infoRange);
  if (info.length < INFO_BYTES)
    throw corrupt(`info section of ${info.length} bytes, expected ${INFO_BYTES}`, at.infoRange);
  const infoAt = info.byteOffset - bytes.byteOffset;

  const streamRefs = splitDigests(range(infoAt + INFO_OFFSET.streamRefs), hash, corrupt);
  const objectRefs = splitDigests(range(infoAt + INFO_OFFSET.objectRefs), hash, corrupt);
  const size = Number(info.readBigUInt64LE(INFO_OFFSET.size));
  if (!Number.isSafeInteger(size)) throw corrupt(`data of ${size} bytes`, infoAt + INFO_OFFSET.size);
  const stream = range(infoAt + INFO_OFFSET.stream);
  const names = inflate(range(infoAt + INFO_OFFSET.namedRefs), "named references", corrupt);
  return {
    type: info.toString("latin1", INFO_OFFSET.contentType, INFO_OFFSET.contentType + 8) as ContentType,
    size,
    objectRefs,
    namedRefs: parseNames(collect(names, corrupt), streamRefs, corrupt),
    parts: (options) => readChunks(inflate(stream, "data", corrupt, options), objectRefs, corrupt),
  };
}

type Corrupt = (what: string, offset?: number, cause?: unknown) => ComposefsError;

function splitDigests(section: Buffer, hash: HashName, corrupt: Corrupt): ObjectId[] {
  const width = DIGEST_BYTES[hash];
  if (section.length % width !== 0)
    throw corrupt(`reference table of ${section.length} bytes, not a multiple of ${width}`);
  const ids: ObjectId[] = [];
  for (let i = 0; i < section.length; i += width) ids.push(objectIdFromBytes(section.subarray(i, i + width)));
  return ids;
}

function* inflate(section: Buffer, what: string, corrupt: Corrupt, options?: DecodeOptions): Generator<Uint8Array> {
  if (section.length === 0) throw corrupt(`${what}: empty section`);
  try {
    yield* unzstd(section, options);
  } catch (cause) {
    throw corrupt(`${what}: ${(cause as Error).message}`, undefined, cause);
  }
}

// Read whole, so a few bytes of zstd must not be able to fill the memory.
function collect(pieces: Generator<Uint8Array>, corrupt: Corrupt): Buffer {
  const all: Uint8Array[] = [];
  let length = 0;
  for (const piece of pieces) {
    length += piece.length;
    if (length > MOST_NAME_BYTES) throw corrupt(`more than ${MOST_NAME_BYTES} bytes of named references`);
    all.push(piece);
  }
  return Buffer.concat(all);
}

function parseNames(text: Buffer, ids: readonly ObjectId[], corrupt: Corrupt): Map<string, ObjectId> {
  const names = new Map<string, ObjectId>();
  if (text.length > 0 && text.at(-1) !== 0) throw corrupt("named references: the last record has no end");
  for (const record of text.toString("utf8").split("\0").slice(0, -1)) {
    const colon = record.indexOf(":");
    const index = record.slice(0, Math.max(colon, 0));
    const id = /^\d+$/.test(index) ? ids[Number(index)] : undefined;
    if (id === undefined) throw corrupt(`named reference '${record}' has no valid index (of ${ids.length})`);
    names.set(record.slice(colon + 1), id);
  }
  return names;
}

function* readChunks(
  data: Generator<Uint8Array>,
  objects: readonly ObjectId[],
  corrupt: Corrupt,
): Generator<SplitstreamPart> {
  const prefix = Buffer.alloc(8);
  let have = 0; // bytes of the prefix read
  let literal = 0; // bytes of the inline run still to come
  let offset = 0; // in the decompressed stream
  for (const piece of data) {
    let at = 0;
    while (at < piece.length) {
      if (literal > 0) {
        const take = Math.min(literal, piece.length - at);
        yield { inline: piece.subarray(at, at + take) };
        literal -= take;
        at += take;
        continue;
      }
      // One at a time: nearly all prefixes lie whole in a piece, and a subarray of each would cost more than the copy.
      prefix[have++] = piece[at++] as number;
      if (have < 8) continue;
      have = 0;
      const value = prefix.readBigInt64LE();
      if (value < 0n) {
        literal = Number(-value);
        if (!Number.isSafeInteger(literal)) throw corrupt(`inline run of ${-value} bytes`, offset + at - 8);
      } else {
        const object = value < BigInt(objects.length) ? objects[Number(value)] : undefined;
        if (object === undefined) throw corrupt(`object ${value} of ${objects.length}`, offset + at - 8);
        yield { object };
      }
    }
    offset += piece.length;
  }
  if (have > 0) throw corrupt("data ends inside a chunk's prefix", offset);
  if (literal > 0) throw corrupt(`data ends ${literal} bytes before the end of an inline run`, offset);
}
