import { DIGEST_BYTES, type HashName } from "@composefs/reflink";
import { isObjectId, type ObjectId } from "../fsverity/object-id.ts";
import { type ByteString, bytesOf, type LeafContent, type Stat } from "../tree/node.ts";
import { COLUMN, LIMIT, TYPE } from "./format.ts";
import { type DumpfileLine, quoted } from "./line.ts";
import { parseU32, parseU64 } from "./numbers.ts";
import { parseAnyPath, parseCanonicalPath } from "./path-field.ts";
import { unescapeField } from "./unescape.ts";
import { parseXattrs } from "./xattr-fields.ts";

/** What a line says. */
export type LineEntry =
  | { readonly path: ByteString; readonly kind: "link"; readonly target: ByteString }
  | { readonly path: ByteString; readonly kind: "directory"; readonly stat: Stat }
  | { readonly path: ByteString; readonly kind: "leaf"; readonly stat: Stat; readonly content: LeafContent };

/**
 * Reads one line (erofs-image.md §8.3, 2 to 6).
 *
 * @throws ComposefsError `DUMPFILE_INVALID`
 */
export function parseLine(line: DumpfileLine, hash: HashName): LineEntry {
  const path = parseCanonicalPath(line, COLUMN.PATH);
  const size = line.field(COLUMN.SIZE);
  const modeText = line.field(COLUMN.MODE);
  const at = modeText.indexOf("@");
  if (at >= 0) {
    parseU64(line, COLUMN.SIZE, size);
    return { path, kind: "link", target: parseLinkTarget(line, modeText, at) };
  }
  const sizeBytes = parseU64(line, COLUMN.SIZE, size);
  const mode = parseU32(line, COLUMN.MODE, modeText, 8);
  const links = parseU32(line, COLUMN.NLINK, line.field(COLUMN.NLINK));
  const uid = parseU32(line, COLUMN.UID, line.field(COLUMN.UID));
  const gid = parseU32(line, COLUMN.GID, line.field(COLUMN.GID));
  const rdev = parseU64(line, COLUMN.RDEV, line.field(COLUMN.RDEV));
  const [mtimeSeconds, mtimeNanoseconds] = parseTime(line);
  // Called for its complaint: a missing column must not look like a wrong one.
  line.field(COLUMN.DIGEST);
  const type = typeOf(line, mode);
  const isDevice = type === TYPE.char || type === TYPE.block;
  if (rdev !== 0n && !isDevice) throw line.problem(COLUMN.RDEV, "only devices have a device number, expected 0");
  if (type !== TYPE.regular) requireNothing(line);
  const isRoot = path === "/";
  const content = type === TYPE.directory ? undefined : parseContent(line, type, sizeBytes, rdev, hash, isRoot);
  if (type === TYPE.char && rdev === 0n && links > 1 && !isRoot) {
    throw line.problem(COLUMN.NLINK, "a whiteout (character device 0) cannot have several links, expected at most 1");
  }
  const stat = { mode: mode % 0o10000, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs: parseXattrs(line) };
  return content === undefined ? { path, kind: "directory", stat } : { path, kind: "leaf", stat, content };
}

/** Columns between MODE and PAYLOAD may hold anything, those after it may be missing. */
function parseLinkTarget(line: DumpfileLine, modeText: string, at: number): ByteString {
  const mode = parseU32(line, COLUMN.MODE, modeText.slice(at + 1), 8, at + 1);
  if (fileType(mode) === TYPE.directory) throw line.problem(COLUMN.MODE, "a directory cannot be a hard link");
  if (line.field(COLUMN.PAYLOAD) === "-") {
    throw line.problem(COLUMN.PAYLOAD, "expected the path a hard link stands for, found '-'");
  }
  return parseCanonicalPath(line, COLUMN.PAYLOAD);
}

/** Seconds (the bits of an i64) and nanoseconds. */
function parseTime(line: DumpfileLine): [bigint, number] {
  const text = line.field(COLUMN.MTIME);
  const dot = text.indexOf(".");
  if (dot < 0) {
    throw line.problem(COLUMN.MTIME, "expected seconds, '.', nanoseconds; found no '.'", {
      hint: "a time in whole seconds is written 1700000000.0",
    });
  }
  if (text.startsWith("-")) {
    throw line.problem(COLUMN.MTIME, "expected seconds since 1970, found a minus sign", {
      hint: "times before 1970 have no portable form in a dumpfile",
    });
  }
  const seconds = parseU64(line, COLUMN.MTIME, text.slice(0, dot));
  const nanoseconds = parseU64(line, COLUMN.MTIME, text.slice(dot + 1), dot + 1);
  if (nanoseconds >= 1_000_000_000n) {
    throw line.problem(COLUMN.MTIME, `${nanoseconds} nanoseconds, expected at most 999999999`, {
      offset: dot + 1,
      hint: "the second part is a whole number of nanoseconds, not a decimal fraction",
    });
  }
  return [BigInt.asIntN(64, seconds), Number(nanoseconds)];
}

function fileType(mode: number): number {
  return (mode % 0o200000) - (mode % 0o10000);
}

function typeOf(line: DumpfileLine, mode: number): number {
  const type = fileType(mode);
  if (type !== TYPE.mask && Object.values<number>(TYPE).includes(type)) return type;
  throw line.problem(COLUMN.MODE, `unknown file type ${type.toString(8).padStart(6, "0")}`, {
    hint: "MODE has type bits: 100644 is a regular file, 40755 a directory, 120777 a symlink",
  });
}

/** Only regular files have content and a digest. */
function requireNothing(line: DumpfileLine): void {
  if (line.field(COLUMN.CONTENT) !== "-") {
    throw line.problem(COLUMN.CONTENT, "only regular files have content, expected '-'");
  }
  if (line.field(COLUMN.DIGEST) !== "-") {
    throw line.problem(COLUMN.DIGEST, "only regular files have a digest, expected '-'");
  }
}

function parseContent(
  line: DumpfileLine,
  type: number,
  size: bigint,
  rdev: bigint,
  hash: HashName,
  isRoot: boolean,
): LeafContent {
  switch (type) {
    case TYPE.regular:
      return parseRegular(line, size, hash, isRoot);
    case TYPE.symlink:
      return { kind: "symlink", target: parseTarget(line) };
    case TYPE.char:
      return { kind: "char", rdev };
    case TYPE.block:
      return { kind: "block", rdev };
    default:
      return { kind: type === TYPE.fifo ? "fifo" : "socket" };
  }
}

function parseRegular(line: DumpfileLine, size: bigint, hash: HashName, isRoot: boolean): LeafContent {
  const digest = line.field(COLUMN.DIGEST);
  if (line.field(COLUMN.PAYLOAD) !== "-") {
    const payload = parseAnyPath(line, COLUMN.PAYLOAD);
    // Of a root line only the Stat counts, so the id is not looked at.
    if (isRoot) return { kind: "sparse", size };
    if (digest !== "-") return { kind: "external", id: parseDigest(line, digest, hash), size };
    return { kind: "external-no-verity", id: parseObjectPath(line, payload, hash), size };
  }
  if (digest !== "-") {
    throw line.problem(COLUMN.DIGEST, "a file without PAYLOAD has no digest, expected '-'", {
      hint: "PAYLOAD of a file that is an object is its path, the first two digits of the digest, '/', the rest",
    });
  }
  const text = line.field(COLUMN.CONTENT);
  const content = text === "-" ? "" : unescapeField(line, COLUMN.CONTENT, text);
  if (content.length > LIMIT.inline) {
    throw line.problem(COLUMN.CONTENT, `content of ${content.length} bytes, expected at most ${LIMIT.inline}`, {
      hint: "greater files are written as objects, with PAYLOAD and DIGEST",
    });
  }
  if (content.length === 0 && size > 0n) return { kind: "sparse", size };
  return { kind: "inline", bytes: Buffer.from(content, "latin1") };
}

function parseTarget(line: DumpfileLine): Uint8Array {
  if (line.field(COLUMN.PAYLOAD) === "-") throw line.problem(COLUMN.PAYLOAD, "expected a symlink's target, found '-'");
  const target = parseAnyPath(line, COLUMN.PAYLOAD);
  if (target.length > LIMIT.symlink) {
    throw line.problem(COLUMN.PAYLOAD, `target of ${target.length} bytes, expected at most ${LIMIT.symlink}`);
  }
  return bytesOf(target);
}

function parseDigest(line: DumpfileLine, text: string, hash: HashName): ObjectId {
  if (isObjectId(text, hash)) return text;
  const id = text.toLowerCase();
  if (isObjectId(id, hash)) return id;
  const other: HashName = hash === "sha256" ? "sha512" : "sha256";
  const wrong = id.search(/[^0-9a-f]/);
  const found = wrong >= 0 ? `${quoted(text.slice(wrong, wrong + 1))} among them` : `${text.length}`;
  throw line.problem(COLUMN.DIGEST, `expected ${DIGEST_BYTES[hash] * 2} hexadecimal digits, found ${found}`, {
    offset: Math.max(wrong, 0),
    ...(isObjectId(id, other) ? { hint: `this is a digest of ${other}, but ${hash} is in use` } : {}),
  });
}

/** The id at the end of a path: `…xx/rest`. */
function parseObjectPath(line: DumpfileLine, path: ByteString, hash: HashName): ObjectId {
  const digits = DIGEST_BYTES[hash] * 2;
  const tail = path.slice(-(digits + 1)).toLowerCase();
  const id = tail.slice(0, 2) + tail.slice(3);
  if (tail[2] === "/" && isObjectId(id, hash)) return id;
  throw line.problem(COLUMN.PAYLOAD, `without DIGEST, expected a path that ends in an object's name of ${hash}`, {
    hint: `the name is two hexadecimal digits, '/', and ${digits - 2} more`,
  });
}
