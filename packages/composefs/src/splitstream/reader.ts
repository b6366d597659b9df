import { ALGORITHM_NUMBER, DIGEST_BYTES, type HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { type ObjectId, objectIds } from "../fsverity/object-id.ts";
import { type PieceLife, unzstd } from "../zstd.ts";
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

const EMPTY = new Uint8Array(0);

/** A piece of a splitstream's data: literal bytes, or an object whose whole content stands there. */
export type SplitstreamPart = { readonly inline: Uint8Array } | { readonly object: ObjectId };

/** A parsed splitstream file. */
export interface Splitstream {
  readonly type: ContentType;
  /** Length of the rebuilt data in bytes, as the file says. */
  readonly size: number;
  /** Objects referred to, in order of first use. Made from {@link Splitstream.objectDigests} when it is asked for. */
  readonly objectRefs: readonly ObjectId[];
  /** Their digests, raw one after the other. */
  readonly objectDigests: Buffer;
  /** Splitstreams and images referred to by name. */
  readonly namedRefs: ReadonlyMap<string, ObjectId>;
  /**
   * The data in order; a long inline run may come in several pieces.
   *
   * @param life of inline pieces; lasting by default
   * @throws ComposefsError `STREAM_CORRUPT`
   */
  parts(life?: PieceLife): Generator<SplitstreamPart>;
  /** What the data is made of, which is found out faster than the parts themselves are. @throws as parts */
  countParts(): PartCounts;
}

/** What a splitstream's data is made of. */
export interface PartCounts {
  /** Length of all inline runs together. */
  readonly inlineBytes: number;
  /** How often each object stands in the data, in the order of {@link Splitstream.objectDigests}. */
  readonly uses: Float64Array;
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

  const streamRefs = [...objectIds(digestTable(range(infoAt + INFO_OFFSET.streamRefs), hash, corrupt), hash)];
  const objectDigests = digestTable(range(infoAt + INFO_OFFSET.objectRefs), hash, corrupt);
  let ids: readonly ObjectId[] | undefined;
  const knownIds = (): readonly ObjectId[] => {
    ids ??= [...objectIds(objectDigests, hash)];
    return ids;
  };
  const size = Number(info.readBigUInt64LE(INFO_OFFSET.size));
  if (!Number.isSafeInteger(size)) throw corrupt(`data of ${size} bytes`, infoAt + INFO_OFFSET.size);
  const stream = range(infoAt + INFO_OFFSET.stream);
  const names = inflate(range(infoAt + INFO_OFFSET.namedRefs), "named references", corrupt);
  return {
    type: info.toString("latin1", INFO_OFFSET.contentType, INFO_OFFSET.contentType + 8) as ContentType,
    size,
    get objectRefs() {
      return knownIds();
    },
    objectDigests,
    namedRefs: parseNames(collect(names, corrupt), streamRefs, corrupt),
    parts: (life) => readChunks(inflate(stream, "data", corrupt, life), knownIds(), corrupt),
    countParts: () =>
      countParts(inflate(stream, "data", corrupt, "passing"), objectDigests.length / DIGEST_BYTES[hash], corrupt),
  };
}

type Corrupt = (what: string, offset?: number, cause?: unknown) => ComposefsError;

function digestTable(section: Buffer, hash: HashName, corrupt: Corrupt): Buffer {
  const width = DIGEST_BYTES[hash];
  if (section.length % width === 0) return section;
  throw corrupt(`reference table of ${section.length} bytes, not a multiple of ${width}`);
}

function* inflate(section: Buffer, what: string, corrupt: Corrupt, life?: PieceLife): Generator<Uint8Array> {
  if (section.length === 0) throw corrupt(`${what}: empty section`);
  try {
    yield* unzstd(section, life);
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
  const place: Place = { piece: EMPTY, at: 0 };
  for (const code of chunkCodes(data, objects.length, place, corrupt)) {
    if (code < 0) yield { inline: place.piece.subarray(place.at, place.at - code) };
    else yield { object: objects[code] as ObjectId };
  }
}

function countParts(data: Generator<Uint8Array>, objects: number, corrupt: Corrupt): PartCounts {
  const uses = new Float64Array(objects);
  let inlineBytes = 0;
  for (const code of chunkCodes(data, objects, { piece: EMPTY, at: 0 }, corrupt)) {
    if (code < 0) inlineBytes -= code;
    else (uses[code] as number)++;
  }
  return { inlineBytes, uses };
}

/** Where an inline run lies. */
interface Place {
  piece: Uint8Array;
  at: number;
}

/** The data as numbers: the index of an object, or minus the length of inline bytes, which lie at `place`. */
function* chunkCodes(
  data: Generator<Uint8Array>,
  objects: number,
  place: Place,
  corrupt: Corrupt,
): Generator<number, void, undefined> {
  const prefix = Buffer.alloc(8);
  let have = 0; // bytes of the prefix read
  let literal = 0; // bytes of the inline run still to come
  let offset = 0; // in the decompressed stream
  for (const piece of data) {
    place.piece = piece;
    let at = 0;
    while (at < piece.length) {
      if (literal > 0) {
        const take = Math.min(literal, piece.length - at);
        place.at = at;
        yield -take;
        literal -= take;
        at += take;
        continue;
      }
      // One at a time: nearly all prefixes lie whole in a piece, and a subarray of each would cost more than the copy.
      prefix[have++] = piece[at++] as number;
      if (have < 8) continue;
      have = 0;
      const value = prefix.readInt32LE(4) * 2 ** 32 + prefix.readUInt32LE();
      if (value < 0) {
        literal = -value;
        if (!Number.isSafeInteger(literal)) throw corrupt(`inline run of ${literal} bytes`, offset + at - 8);
      } else {
        if (value >= objects) throw corrupt(`object ${value} of ${objects}`, offset + at - 8);
        yield value;
      }
    }
    offset += piece.length;
  }
  if (have > 0) throw corrupt("data ends inside a chunk's prefix", offset);
  if (literal > 0) throw corrupt(`data ends ${literal} bytes before the end of an inline run`, offset);
}
