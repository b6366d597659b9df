import {
  BLOCK_BYTES,
  CHUNK_INDEX_BYTES,
  FILE_TYPE,
  INODES_AT,
  LAYOUT,
  MAX_IMAGE_BYTES,
  roundUp,
  SLOT_BYTES,
} from "./format.ts";
import type { InodeShapes } from "./inode-shape.ts";
import { type InodeTable, unrepresentable } from "./inode-table.ts";
import type { XattrLists } from "./xattr-lists.ts";
import type { Xattr } from "./xattr-pool.ts";

/** Where everything is; offsets in bytes. */
export interface Placement {
  /** By id. */
  readonly inodes: Uint32Array;
  /** By id: the first data block, in blocks; 0 without blocks. */
  readonly firstBlocks: Uint32Array;
  /** Start of the shared xattrs. */
  readonly inodesEnd: number;
  /** Length of the image. */
  readonly end: number;
}

/**
 * Gives each inode and each block its place (erofs-image.md §5), and the shared xattrs their references.
 *
 * @param order ids in inode order
 * @throws ComposefsError `IMAGE_UNREPRESENTABLE` the image is larger than readers take, or ends too early for them
 */
export function placeInodes(
  table: InodeTable,
  order: Uint32Array,
  shapes: InodeShapes,
  xattrs: XattrLists,
  version: 0 | 1 | 2,
): Placement {
  const inodes = new Uint32Array(order.length);
  let at = INODES_AT;
  for (const id of order) {
    const head = (shapes.headerBytes[id] as number) + (xattrs.areaBytes[id] as number);
    at = roundUp(at, SLOT_BYTES);
    at = version === 2 ? skipV2(at, head, shapes, id) : skipV1(at, head, shapes, id);
    inodes[id] = at;
    at += head + (shapes.tailBytes[id] as number);
    if (at > MAX_IMAGE_BYTES) throw tooLarge(table, id);
  }
  const inodesEnd = roundUp(at, SLOT_BYTES);
  let block = roundUp(placeShared(xattrs.shared, inodesEnd, version), BLOCK_BYTES) / BLOCK_BYTES;
  const firstBlocks = new Uint32Array(order.length);
  for (const id of order) {
    const blocks = shapes.blocks[id] as number;
    if (blocks === 0) continue;
    firstBlocks[id] = block;
    block += blocks;
    if (block * BLOCK_BYTES > MAX_IMAGE_BYTES) throw tooLarge(table, id);
  }
  const end = block * BLOCK_BYTES;
  if (end > MAX_IMAGE_BYTES) throw tooLarge(table, 0);
  const last = order.at(-1) as number;
  const lastTail = (inodes[last] as number) + (shapes.headerBytes[last] as number) + (xattrs.areaBytes[last] as number);
  // V2 writes no chunk indexes for files without objects, but readers look for one all the same.
  if (shapes.layouts[last] === LAYOUT.chunked && lastTail + CHUNK_INDEX_BYTES > end) {
    throw unrepresentable(table, last, "as the last inode it ends with the image, without room for a chunk index");
  }
  return { inodes, firstBlocks, inodesEnd, end };
}

/** V0 and V1: tails do not cross blocks. */
function skipV1(at: number, head: number, shapes: InodeShapes, id: number): number {
  if (shapes.types[id] === FILE_TYPE.symlink) {
    const last = at + head + (shapes.sizes[id] as number) - 1; // also when the target is in a block
    return block(at) === block(last) ? at : roundUp(at, BLOCK_BYTES);
  }
  if (shapes.layouts[id] === LAYOUT.chunked && shapes.blocks[id] === 1) return roundUp(at, BLOCK_BYTES);
  const tail = shapes.tailBytes[id] as number;
  const room = roundUp(at + head, BLOCK_BYTES) - (at + head);
  return room > 0 && room < tail ? at + roundUp(room, SLOT_BYTES) : at;
}

/** V2: as V1, but it also skips when a tail ends with its block, and further than needed. */
function skipV2(at: number, head: number, shapes: InodeShapes, id: number): number {
  if (shapes.layouts[id] !== LAYOUT.inline) return at;
  const last = at + head - 1;
  const end = at + head + ((shapes.sizes[id] as number) % BLOCK_BYTES);
  return block(last) === block(end) ? at : roundUp(at + BLOCK_BYTES - (last % BLOCK_BYTES), SLOT_BYTES);
}

function block(at: number): number {
  return Math.floor(at / BLOCK_BYTES);
}

/** Sets the references and answers the end of the table. */
function placeShared(shared: readonly Xattr[], inodesEnd: number, version: 0 | 1 | 2): number {
  let at = inodesEnd;
  const base = version === 2 ? 0 : inodesEnd - (inodesEnd % BLOCK_BYTES);
  for (const xattr of shared) {
    xattr.ref = (at - base) / 4;
    at += xattr.bytes;
  }
  return at;
}

function tooLarge(table: InodeTable, id: number): Error {
  return unrepresentable(table, id, `the image would have more than ${MAX_IMAGE_BYTES} bytes at this inode`);
}
