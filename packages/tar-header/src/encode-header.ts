import { ascii } from "./bytes.ts";
import { sumBlock } from "./checksum.ts";
import {
  BLOCK_SIZE,
  CHECKSUM,
  GID,
  type HeaderField,
  MAGIC_OFFSET,
  MODE,
  MTIME,
  NAME,
  paddingAfter,
  SIZE,
  TYPEFLAG_OFFSET,
  UID,
} from "./format.ts";

/** A file or directory to write into a tar. */
export interface NewEntry {
  /** Bytes; of a directory with a slash at its end. */
  readonly path: Uint8Array;
  readonly type: "regular" | "directory";
  /** Content bytes; 0 for directories. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
}

const TYPEFLAG = { regular: "0", directory: "5", extension: "x" } as const;
/** Eleven octal digits, less than 8 GiB. */
const MOST_OCTAL_SIZE = 0o77777777777;
/** What PAX headers are called; readers do not look at it. */
const EXTENSION_NAME = "PaxHeader";

/**
 * The blocks that stand before an entry's content: a ustar header, and before it a PAX header with the path or the size
 * when those do not fit. Owner 0, no names, time 0, so that equal entries have equal bytes.
 *
 * @throws RangeError a size that is no safe integer
 * @see containers-storage.md §4.1
 */
export function encodeEntryHeader({ path, type, size, mode }: NewEntry): Uint8Array {
  if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`a size of ${size} bytes`);
  const longPath = path.length > NAME.length;
  const large = size > MOST_OCTAL_SIZE;
  const blocks: Uint8Array[] = [];
  if (longPath || large) {
    const records = [
      ...(longPath ? [paxRecord("path", path)] : []),
      ...(large ? [paxRecord("size", ascii(String(size)))] : []),
    ];
    const data = concat(records);
    blocks.push(
      headerBlock(ascii(EXTENSION_NAME), TYPEFLAG.extension, data.length, 0o644),
      data,
      new Uint8Array(paddingAfter(data.length)),
    );
  }
  blocks.push(headerBlock(path.subarray(0, NAME.length), TYPEFLAG[type], large ? 0 : size, mode));
  return concat(blocks);
}

function headerBlock(name: Uint8Array, typeflag: string, size: number, mode: number): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  block.set(name, NAME.offset);
  putOctal(block, MODE, mode);
  putOctal(block, UID, 0);
  putOctal(block, GID, 0);
  putOctal(block, SIZE, size);
  putOctal(block, MTIME, 0);
  block.set(ascii(typeflag), TYPEFLAG_OFFSET);
  block.set(ascii("ustar\u000000"), MAGIC_OFFSET);
  block.fill(0x20, CHECKSUM.offset, CHECKSUM.offset + CHECKSUM.length);
  block.set(ascii(`${octal(sumBlock(block), 6)}\0 `), CHECKSUM.offset);
  return block;
}

function putOctal(block: Uint8Array, { offset, length }: HeaderField, value: number): void {
  block.set(ascii(octal(value, length - 1)), offset);
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

/** `LENGTH key=value\n`; the length counts itself. */
function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const rest = ` ${key}=`.length + value.length + 1;
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return concat([ascii(`${length} ${key}=`), value, ascii("\n")]);
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
