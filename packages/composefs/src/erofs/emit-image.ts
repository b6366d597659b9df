import { idLength } from "../fsverity/object-id.ts";
import { isDirectory, type Leaf, type TreeNode } from "../tree/node.ts";
import {
  BLOCK_BYTES,
  COMPACT,
  DIRENT_BYTES,
  EXTENDED,
  FEATURE_COMPAT,
  FLAG_HAS_ACL,
  HEADER,
  HEADER_MAGIC,
  HEADER_VERSION,
  INODE,
  LAYOUT,
  NO_CHUNK,
  SLOT_BYTES,
  SUPERBLOCK,
  SUPERBLOCK_MAGIC,
  TYPE_MODES,
  XATTR_ENTRY_BYTES,
  XATTR_HEADER_BYTES,
} from "./format.ts";
import type { InodeShapes } from "./inode-shape.ts";
import type { InodeTable } from "./inode-table.ts";
import type { Packing } from "./pack-directory.ts";
import type { Placement } from "./place-inodes.ts";
import type { XattrLists } from "./xattr-lists.ts";
import { metacopyHeader, type Xattr } from "./xattr-pool.ts";

const NOTHING = new Uint8Array(0);
const SLASH = 0x2f;
const HEADER_SHA256 = Uint8Array.from(metacopyHeader("sha256"));
const HEADER_SHA512 = Uint8Array.from(metacopyHeader("sha512"));

/** Everything that is known of an image before its bytes. */
export interface ImagePlan {
  readonly version: 0 | 1 | 2;
  readonly table: InodeTable;
  /** Ids in inode order. */
  readonly order: Uint32Array;
  readonly xattrs: XattrLists;
  readonly shapes: InodeShapes;
  readonly placement: Placement;
}

const PIECE_BYTES = 1024 * 1024;
/** More than an inode, its xattrs (262,148 bytes at most) and its tail (less than a block) can have. */
const MAX_INODE_BYTES = 320 * 1024;

/** The piece being written; places in it count from its start. */
interface Output {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** The bytes of a planned image in pieces, each valid until the next one is asked for. */
export function* emitImage(plan: ImagePlan): Generator<Uint8Array, void, undefined> {
  const { order, placement, shapes, xattrs } = plan;
  const bytes = Buffer.alloc(PIECE_BYTES);
  const out = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
  /** Where in the image the piece starts. */
  let start = 0;
  // Everything is written in ascending order, so what stands before the place of the next thing is complete.
  const hand = function* (at: number): Generator<Uint8Array, void, undefined> {
    while (start < at) {
      const piece = bytes.subarray(0, Math.min(at - start, bytes.length));
      yield piece;
      start += piece.length;
      bytes.fill(0, 0, piece.length);
    }
  };
  emitSuperblock(out, plan);
  for (let ino = 0; ino < order.length; ino++) {
    const id = order[ino] as number;
    const at = placement.inodes[id] as number;
    if (at + MAX_INODE_BYTES > start + bytes.length) yield* hand(at);
    emitInode(out, plan, id, ino, at - start);
  }
  let at = placement.inodesEnd;
  for (const xattr of xattrs.shared) {
    if (at + xattr.bytes > start + bytes.length) yield* hand(at);
    emitXattr(out, at - start, xattr);
    at += xattr.bytes;
  }
  for (const id of order) {
    const first = placement.firstBlocks[id] as number;
    for (let block = 0; block < (shapes.blocks[id] as number); block++) {
      const blockAt = (first + block) * BLOCK_BYTES;
      if (blockAt + BLOCK_BYTES > start + bytes.length) yield* hand(blockAt);
      emitBlock(out, plan, id, block, blockAt - start);
    }
  }
  yield* hand(placement.end);
}

function emitSuperblock({ view }: Output, { version, order, xattrs, shapes, placement }: ImagePlan): void {
  view.setUint32(HEADER.magic, HEADER_MAGIC, true);
  view.setUint32(HEADER.headerVersion, HEADER_VERSION, true);
  view.setUint32(HEADER.version, version, true);
  view.setUint32(SUPERBLOCK.magic, SUPERBLOCK_MAGIC, true);
  view.setUint32(SUPERBLOCK.featureCompat, FEATURE_COMPAT, true);
  view.setUint8(SUPERBLOCK.lgBlockSize, Math.log2(BLOCK_BYTES));
  view.setUint16(SUPERBLOCK.rootNid, (placement.inodes[0] as number) / SLOT_BYTES, true);
  view.setBigUint64(SUPERBLOCK.inodes, BigInt(order.length), true);
  view.setUint32(SUPERBLOCK.blocks, placement.end / BLOCK_BYTES, true);
  if (version === 2) return;
  view.setUint32(HEADER.flags, xattrs.hasAcl ? FLAG_HAS_ACL : 0, true);
  view.setBigInt64(SUPERBLOCK.buildTime, shapes.least.seconds, true);
  view.setUint32(SUPERBLOCK.buildTimeNanoseconds, shapes.least.nanoseconds, true);
  view.setUint32(SUPERBLOCK.xattrBlock, Math.floor(placement.inodesEnd / BLOCK_BYTES), true);
}

/** @param at in the piece */
function emitInode(out: Output, plan: ImagePlan, id: number, index: number, at: number): void {
  const { view } = out;
  const { table, xattrs, shapes, placement, version } = plan;
  const node = table.nodes[id] as TreeNode;
  const { stat } = node;
  const headerBytes = shapes.headerBytes[id] as number;
  const areaBytes = xattrs.areaBytes[id] as number;
  const isExtended = headerBytes === EXTENDED.bytes;
  view.setUint16(at + INODE.format, (isExtended ? 1 : 0) + 2 * (shapes.layouts[id] as number), true);
  view.setUint16(at + INODE.xattrCount, areaBytes === 0 ? 0 : 1 + (areaBytes - XATTR_HEADER_BYTES) / 4, true);
  view.setUint16(at + INODE.mode, (TYPE_MODES[shapes.types[id] as number] as number) + stat.mode, true);
  view.setUint32(at + INODE.info, infoOf(shapes, placement, id), true);
  view.setUint32(at + INODE.ino, version === 2 ? (placement.inodes[id] as number) / SLOT_BYTES : index, true);
  if (isExtended) {
    emitSize(view, at + INODE.size, node, shapes.sizes[id] as number);
    view.setUint32(at + EXTENDED.uid, stat.uid, true);
    view.setUint32(at + EXTENDED.gid, stat.gid, true);
    view.setBigInt64(at + EXTENDED.mtime, stat.mtimeSeconds, true);
    view.setUint32(at + EXTENDED.mtimeNanoseconds, version === 2 ? 0 : stat.mtimeNanoseconds, true);
    view.setUint32(at + EXTENDED.nlink, table.links[id] as number, true);
  } else {
    view.setUint32(at + INODE.size, shapes.sizes[id] as number, true);
    view.setUint16(at + COMPACT.nlink, table.links[id] as number, true);
    view.setUint16(at + COMPACT.uid, stat.uid, true);
    view.setUint16(at + COMPACT.gid, stat.gid, true);
  }
  if (areaBytes > 0) emitXattrs(out, at + headerBytes, xattrs.of(id));
  emitTail(out, plan, id, at + headerBytes + areaBytes);
}

function infoOf(shapes: InodeShapes, { firstBlocks }: Placement, id: number): number {
  const info = shapes.info[id] as number;
  const block = firstBlocks[id] as number;
  // A moved chunk list shares the field with the chunk format, in which the reference keeps the high half only.
  return shapes.layouts[id] === LAYOUT.chunked ? block - (block % 0x10000) + info : block + info;
}

function emitSize(view: DataView, at: number, node: TreeNode, size: number): void {
  if (size <= Number.MAX_SAFE_INTEGER || isDirectory(node) || !("size" in node.content)) {
    view.setUint32(at, size % 2 ** 32, true);
    view.setUint32(at + 4, Math.floor(size / 2 ** 32), true);
  } else {
    view.setBigUint64(at, node.content.size, true); // `size` is rounded
  }
}

function emitXattrs(out: Output, area: number, xattrs: readonly Xattr[]): void {
  let filter = 0;
  let refs = 0;
  let at = area + XATTR_HEADER_BYTES;
  for (const xattr of xattrs) {
    filter |= xattr.name.filterBit;
    if (xattr.uses < 2) continue;
    out.view.setUint32(at, xattr.ref, true);
    at += 4;
    refs++;
  }
  out.view.setUint32(area, ~filter >>> 0, true);
  out.view.setUint8(area + 4, refs);
  for (const xattr of xattrs) if (xattr.uses < 2) at = emitXattr(out, at, xattr);
}

function emitXattr({ bytes, view }: Output, at: number, xattr: Xattr): number {
  const { name, value } = xattr;
  view.setUint8(at, name.suffix.length);
  view.setUint8(at + 1, name.index);
  view.setUint16(at + 2, xattr.valueBytes, true);
  putText(bytes, name.suffix, at + XATTR_ENTRY_BYTES);
  const valueAt = at + XATTR_ENTRY_BYTES + name.suffix.length;
  if (xattr.form === "metacopy") {
    const header = value.length === idLength("sha256") ? HEADER_SHA256 : HEADER_SHA512;
    bytes.set(header, valueAt);
    bytes.write(value, valueAt + header.length, "hex");
  } else if (xattr.form === "redirect") {
    // `/xx/rest`: the id goes one further, and its first two digits are written over with what stands before.
    bytes.write(value, valueAt + 2, "latin1");
    bytes[valueAt] = SLASH;
    bytes[valueAt + 1] = value.charCodeAt(0);
    bytes[valueAt + 2] = value.charCodeAt(1);
    bytes[valueAt + 3] = SLASH;
  } else {
    putText(bytes, value, valueAt);
  }
  return at + xattr.bytes;
}

/** What stands behind an inode: the end of its data, or all of them. */
function emitTail(out: Output, plan: ImagePlan, id: number, at: number): void {
  const { table, shapes } = plan;
  const tailBytes = shapes.tailBytes[id] as number;
  if (tailBytes === 0) return;
  const node = table.nodes[id] as TreeNode;
  if (isDirectory(node)) {
    const first = shapes.packings[id]?.blockEnds.at(-1) ?? (table.firstEntry[id] as number);
    emitEntries(out, plan, first, table.endEntry[id] as number, at);
  } else if (shapes.layouts[id] === LAYOUT.chunked) {
    emitNoChunks(out, at, tailBytes);
  } else {
    const data = dataOf(node);
    out.bytes.set(data.subarray(data.length - tailBytes), at);
  }
}

/** A data block of an inode; `block` counts those of the inode. */
function emitBlock(out: Output, plan: ImagePlan, id: number, block: number, at: number): void {
  const { table, shapes } = plan;
  const node = table.nodes[id] as TreeNode;
  if (isDirectory(node)) {
    const { blockEnds } = shapes.packings[id] as Packing;
    const first = block === 0 ? (table.firstEntry[id] as number) : (blockEnds[block - 1] as number);
    emitEntries(out, plan, first, blockEnds[block] as number, at);
  } else if (shapes.layouts[id] === LAYOUT.chunked) {
    emitNoChunks(out, at, BLOCK_BYTES);
  } else {
    out.bytes.set(dataOf(node).subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES), at);
  }
}

function emitNoChunks({ view }: Output, start: number, length: number): void {
  for (let at = start; at < start + length; at += 4) view.setUint32(at, NO_CHUNK, true);
}

function dataOf({ content }: Leaf): Uint8Array {
  if (content.kind === "symlink") return content.target;
  return content.kind === "inline" ? content.bytes : NOTHING;
}

function emitEntries({ bytes, view }: Output, plan: ImagePlan, first: number, end: number, start: number): void {
  const { table, shapes, placement } = plan;
  let at = start;
  let nameOffset = (end - first) * DIRENT_BYTES;
  for (let entry = first; entry < end; entry++) {
    const id = table.targets[entry] as number;
    const name = table.names[entry] as string;
    view.setUint32(at, (placement.inodes[id] as number) / SLOT_BYTES, true); // the high half is 0
    view.setUint16(at + 8, nameOffset, true);
    view.setUint8(at + 10, shapes.types[id] as number);
    putText(bytes, name, start + nameOffset);
    nameOffset += name.length;
    at += DIRENT_BYTES;
  }
}

/** For short texts, which names are, a loop costs less than the way into Node's own function. */
function putText(bytes: Buffer, text: string, at: number): void {
  const { length } = text;
  if (length > 24) {
    bytes.write(text, at, "latin1");
    return;
  }
  for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
}
