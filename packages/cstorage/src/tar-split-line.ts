import { isUtf8 } from "node:buffer";
import { base64Size, decodeBase64, decodeBase64Into } from "./base64.ts";
import { CstorageError } from "./errors.ts";

/** One line of tar-split: bytes of the archive, or a file whose content follows there; containers-storage.md §3.1. */
export type TarSplitItem = TarSplitSegment | TarSplitFile;

/** Raw bytes of the archive: headers, long names, padding. */
export interface TarSplitSegment {
  readonly type: "segment";
  readonly bytes: Uint8Array;
}

/** An entry of the archive with its content size; the content lies in the layer's `diff`. */
export interface TarSplitFile {
  readonly type: "file";
  /** Name as in the archive. */
  readonly name: Uint8Array;
  /** Bytes. */
  readonly size: number;
  /** CRC-64 of the content, 8 bytes big-endian; null when `size` is 0 and none is recorded. */
  readonly crc64: Uint8Array | null;
}

/** Gives room for `size` bytes, for decoding without an allocation per segment. */
export type Allocate = (size: number) => { readonly target: Buffer; readonly offset: number };

const SEGMENT_START = Buffer.from('{"type":2,"payload":"');
const SEGMENT_TAIL = Buffer.from('","position":');
const CLOSING_BRACE = 0x7d;

/**
 * Parses one line, without its newline.
 *
 * @param line the line's bytes
 * @param number 1-based line number, for messages
 * @param allocate where segments are decoded to; default: a buffer each
 * @throws CstorageError `TAR_SPLIT_CORRUPT` not JSON, unknown type, bad base64, size, name or checksum
 */
export function parseTarSplitLine(line: Buffer, number: number, allocate: Allocate = allocateEach): TarSplitItem {
  return parsePlainSegment(line, allocate) ?? parseAnyLine(line, number, allocate);
}

/**
 * The shape every writer gives a segment, `{"type":2,"payload":"…","position":N}`, cut out without a JSON parser: it is
 * nearly all of the file. Anything unusual returns null and goes the general way, which also words the errors.
 */
function parsePlainSegment(line: Buffer, allocate: Allocate): TarSplitSegment | null {
  const start = SEGMENT_START.length;
  let end = line.length - 1;
  if (end < start + SEGMENT_TAIL.length || line[end] !== CLOSING_BRACE) return null;
  if (SEGMENT_START.compare(line, 0, start) !== 0) return null;
  const digitsEnd = end;
  while (end > start && isDigit(line[end - 1] as number)) end--;
  // "01" is not JSON; leave the judgement to the parser.
  if (end === digitsEnd || (line[end] === 0x30 && digitsEnd - end > 1)) return null;
  end -= SEGMENT_TAIL.length;
  if (end < start || SEGMENT_TAIL.compare(line, end, end + SEGMENT_TAIL.length) !== 0) return null;
  const bytes = decodeSegment(line.toString("latin1", start, end), allocate);
  return bytes === null ? null : { type: "segment", bytes };
}

function parseAnyLine(line: Buffer, number: number, allocate: Allocate): TarSplitItem {
  const value = parseObject(line, number);
  if (value.type === 2) {
    const payload = value.payload ?? "";
    const bytes = typeof payload === "string" ? decodeSegment(payload, allocate) : null;
    if (bytes === null) throw corrupt(number, "segment payload: expected base64", { payload: shorten(payload) });
    return { type: "segment", bytes };
  }
  if (value.type === 1) return parseFile(value, number);
  throw corrupt(number, `type: expected 1 (file) or 2 (segment), found ${shorten(value.type)}`);
}

function parseObject(line: Buffer, number: number): Readonly<Record<string, unknown>> {
  if (!isUtf8(line)) throw corrupt(number, "expected UTF-8");
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch (cause) {
    throw corrupt(number, `expected a JSON object: ${(cause as Error).message}`, {}, cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw corrupt(number, `expected a JSON object, found ${shorten(value)}`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function parseFile(value: Readonly<Record<string, unknown>>, number: number): TarSplitFile {
  const size = value.size ?? 0;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw corrupt(number, `size: expected an integer from 0 to 2^53-1, found ${shorten(size)}`);
  }
  const name = parseName(value, number);
  if (name.length === 0 && size > 0) throw corrupt(number, "file of non-zero size without name");
  const payload = value.payload ?? "";
  const crc64 = typeof payload === "string" ? decodeBase64(payload) : null;
  if (crc64 === null || (crc64.length !== 8 && (size > 0 || crc64.length > 0))) {
    throw corrupt(number, `checksum: expected base64 of 8 bytes, found ${shorten(payload)}`);
  }
  return { type: "file", name, size, crc64: crc64.length === 8 ? crc64 : null };
}

function parseName(value: Readonly<Record<string, unknown>>, number: number): Uint8Array {
  const raw = value.name_raw ?? "";
  const text = value.name ?? "";
  if (typeof raw !== "string" || typeof text !== "string") throw corrupt(number, "name: expected a string");
  const name = raw === "" ? Buffer.from(text, "utf8") : decodeBase64(raw);
  if (name === null) throw corrupt(number, `name_raw: expected base64, found ${shorten(raw)}`);
  // The kernel would stop reading the path there and open another file.
  if (name.includes(0)) throw corrupt(number, "name: NUL byte");
  return name;
}

function decodeSegment(payload: string, allocate: Allocate): Uint8Array | null {
  const size = base64Size(payload);
  if (size < 0) return null;
  const { target, offset } = allocate(size);
  return decodeBase64Into(payload, size, target, offset) ? target.subarray(offset, offset + size) : null;
}

function allocateEach(size: number): { target: Buffer; offset: number } {
  return { target: Buffer.allocUnsafe(size), offset: 0 };
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function corrupt(
  number: number,
  problem: string,
  details: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): CstorageError {
  return new CstorageError("TAR_SPLIT_CORRUPT", `tar-split line ${number}: ${problem}`, {
    details: { line: number, ...details },
    cause,
  });
}
