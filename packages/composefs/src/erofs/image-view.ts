import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { type ByteString, bytesOf } from "../tree/node.ts";
import {
  BLOCK_BYTES,
  FEATURE_COMPAT_KNOWN,
  FEATURE_INCOMPAT_KNOWN,
  HEADER,
  HEADER_MAGIC,
  HEADER_VERSION,
  INODES_AT,
  MAX_IMAGE_BYTES,
  SUPERBLOCK,
  SUPERBLOCK_MAGIC,
} from "./format.ts";

/** An image being read: its bytes, what its superblock says, and where the reader is. */
export interface ImageView {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly hash: HashName;
  readonly version: 0 | 1 | 2;
  readonly rootNid: number;
  /** Where references to shared xattrs count from. */
  readonly xattrsAt: number;
  /** Time of compact inodes. */
  readonly buildTime: bigint;
  readonly buildTimeNanoseconds: number;
  /** Names from the root to the inode at hand, for messages; undefined where the reader does not follow them. */
  path?: readonly ByteString[];
  /** Bytes that inodes may still claim; see {@link claim}. */
  unclaimed: number;
}

/**
 * Checks header and superblock (erofs-image.md §9.1).
 *
 * @param hash hash of the object ids in the image
 * @throws ComposefsError `IMAGE_INVALID` with the offset of the field
 */
export function openImage(image: Uint8Array, hash: HashName): ImageView {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  const { length } = bytes;
  if (length > MAX_IMAGE_BYTES) throw refusal(`${length} bytes, at most ${MAX_IMAGE_BYTES}`, 0);
  if (length < INODES_AT) throw refusal(`${length} bytes are too few for a superblock, at least ${INODES_AT}`, length);
  const view = new DataView(image.buffer, image.byteOffset, length);
  const expect = (what: string, at: number, found: number, expected: number): void => {
    if (found !== expected) throw refusal(`${what} 0x${found.toString(16)}, expected 0x${expected.toString(16)}`, at);
  };
  const expectWithin = (what: string, at: number, known: number): void => {
    const found = view.getUint32(at, true);
    if ((found & ~known) !== 0) throw refusal(`unknown ${what} flags 0x${(found & ~known).toString(16)}`, at);
  };
  expect("composefs magic", HEADER.magic, view.getUint32(HEADER.magic, true), HEADER_MAGIC);
  expect("header version", HEADER.headerVersion, view.getUint32(HEADER.headerVersion, true), HEADER_VERSION);
  const version = view.getUint32(HEADER.version, true);
  if (version !== 0 && version !== 1 && version !== 2) {
    throw refusal(`composefs version ${version}, expected 0, 1 or 2`, HEADER.version);
  }
  expect("EROFS magic", SUPERBLOCK.magic, view.getUint32(SUPERBLOCK.magic, true), SUPERBLOCK_MAGIC);
  expect("log2 of the block size", SUPERBLOCK.lgBlockSize, view.getUint8(SUPERBLOCK.lgBlockSize), 12);
  expectWithin("feature_compat", SUPERBLOCK.featureCompat, FEATURE_COMPAT_KNOWN);
  expectWithin("feature_incompat", SUPERBLOCK.featureIncompat, FEATURE_INCOMPAT_KNOWN);
  const algorithms = SUPERBLOCK.compressionAlgorithms;
  expect("compression algorithms", algorithms, view.getUint16(algorithms, true), 0);
  expect("extra devices", SUPERBLOCK.extraDevices, view.getUint16(SUPERBLOCK.extraDevices, true), 0);
  expect("extension slots", SUPERBLOCK.extSlots, view.getUint8(SUPERBLOCK.extSlots), 0);
  expect("low half of packed_nid", SUPERBLOCK.packedNid, view.getUint32(SUPERBLOCK.packedNid, true), 0);
  expect("high half of packed_nid", SUPERBLOCK.packedNid + 4, view.getUint32(SUPERBLOCK.packedNid + 4, true), 0);
  expect("first metadata block", SUPERBLOCK.metaBlock, view.getUint32(SUPERBLOCK.metaBlock, true), 0);
  expect("xattr prefixes", SUPERBLOCK.xattrPrefixCount, view.getUint8(SUPERBLOCK.xattrPrefixCount), 0);
  const xattrsAt = view.getUint32(SUPERBLOCK.xattrBlock, true) * BLOCK_BYTES;
  if (xattrsAt > length) throw refusal(`shared xattrs at ${xattrsAt} of ${length} bytes`, SUPERBLOCK.xattrBlock);
  return {
    bytes,
    view,
    hash,
    version,
    rootNid: view.getUint16(SUPERBLOCK.rootNid, true),
    xattrsAt,
    buildTime: view.getBigInt64(SUPERBLOCK.buildTime, true),
    buildTimeNanoseconds: view.getUint32(SUPERBLOCK.buildTimeNanoseconds, true),
    unclaimed: length,
  };
}

/** Error of the inode at hand. @param offset of the fault, in bytes from the start of the image */
export function invalid(image: ImageView, what: string, offset: number): ComposefsError {
  return refusal(what, offset, image.path && `/${bytesOf(image.path.join("/") as ByteString)}`);
}

/**
 * Accounts for bytes that belong to one inode: all inodes together cannot have more than the file. This bounds the work
 * that overlapping inodes of a forged image could make.
 *
 * @throws ComposefsError `IMAGE_INVALID`
 */
export function claim(image: ImageView, bytes: number, offset: number): void {
  image.unclaimed -= bytes;
  if (image.unclaimed < 0) throw invalid(image, "inodes overlap: together they have more bytes than the image", offset);
}

function refusal(what: string, offset: number, path?: string): ComposefsError {
  const where = path === undefined ? "image" : `image: ${path}`;
  return new ComposefsError("IMAGE_INVALID", `${where}: ${what} (at byte ${offset})`, {
    details: { offset, path: path ?? null },
    hint: "check the repository with fsck; make the image again from its source",
  });
}
