import { isDirectory, type Leaf, type LeafContent, type Stat, type TreeNode } from "../tree/node.ts";
import {
  BLOCK_BYTES,
  COMPACT,
  EXTENDED,
  FILE_TYPE,
  LAYOUT,
  LG_CHUNK_MAX,
  V2_MAX_INLINE_BYTES,
  V2_MAX_TARGET_BYTES,
} from "./format.ts";
import { type InodeTable, unrepresentable } from "./inode-table.ts";
import type { WhiteoutEscapes } from "./overlay.ts";
import { type Packing, packDirectory } from "./pack-directory.ts";
import type { XattrLists } from "./xattr-lists.ts";

/** What each inode looks like before it has a place, by id; numbers are bytes unless said otherwise. */
export interface InodeShapes {
  /** Of {@link FILE_TYPE}, as written: an escaped whiteout is a regular file. */
  readonly types: Uint8Array;
  /** 32 or 64. */
  readonly headerBytes: Uint8Array;
  /** Of {@link LAYOUT}. */
  readonly layouts: Uint8Array;
  /** Rounded above 2^53. */
  readonly sizes: Float64Array;
  /** What stands behind the xattrs. */
  readonly tailBytes: Uint32Array;
  /** Number of data blocks. */
  readonly blocks: Uint32Array;
  /** Device number or chunk format. */
  readonly info: Uint32Array;
  /** Of directories. */
  readonly packings: (Packing | undefined)[];
  /** The least time, which compact inodes share. */
  readonly least: Time;
}

/** A point in time. */
interface Time {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

const MAX_U16 = 0xffff;
const MAX_U32 = 0xffffffff;
const MAX_U64 = 2n ** 64n - 1n;
const MAX_I64 = 2n ** 63n - 1n;
const MIN_I64 = -(2n ** 63n);

/** Link targets are below PATH_MAX. */
const MAX_TARGET_BYTES = 4095;

/** A file's rest above this gets a block of its own in V0 and V1. */
const MAX_FILE_TAIL_BYTES = BLOCK_BYTES / 2;

/**
 * Decides header, layout, tail and blocks of each inode (erofs-image.md §3.4 and §4).
 *
 * @param escapes what becomes of whiteouts; undefined for V2
 * @throws ComposefsError `IMAGE_UNREPRESENTABLE` a value out of the range that inodes have or that readers accept
 */
export function shapeInodes(table: InodeTable, xattrs: XattrLists, escapes: WhiteoutEscapes | undefined): InodeShapes {
  const count = table.nodes.length;
  const shapes: InodeShapes = {
    types: new Uint8Array(count),
    headerBytes: new Uint8Array(count),
    layouts: new Uint8Array(count),
    sizes: new Float64Array(count),
    tailBytes: new Uint32Array(count),
    blocks: new Uint32Array(count),
    info: new Uint32Array(count),
    packings: [],
    least: leastTime(table),
  };
  const isV2 = escapes === undefined;
  for (let id = 0; id < count; id++) {
    const node = table.nodes[id] as TreeNode;
    checkStat(table, id, node.stat);
    if (isDirectory(node)) shapeDirectory(shapes, table, id);
    else if (escapes?.escaped[id] === 1) shapes.types[id] = FILE_TYPE.regular;
    else shapeLeaf(shapes, table, id, node, isV2);
    const compact = !isV2 && isCompact(node.stat, table.links[id] as number, shapes.sizes[id] as number, shapes.least);
    shapes.headerBytes[id] = compact ? COMPACT.bytes : EXTENDED.bytes;
    if (!isV2) moveTail(shapes, id, xattrs.areaBytes[id] as number);
  }
  return shapes;
}

/** Least of all times, seconds compared as unsigned (§2.3). */
function leastTime({ nodes }: InodeTable): Time {
  let { mtimeSeconds: seconds, mtimeNanoseconds: nanoseconds } = (nodes[0] as TreeNode).stat;
  for (const { stat } of nodes) {
    if (stat.mtimeSeconds === seconds) {
      if (stat.mtimeNanoseconds < nanoseconds) nanoseconds = stat.mtimeNanoseconds;
    } else if (isLess(stat.mtimeSeconds, seconds)) {
      seconds = stat.mtimeSeconds;
      nanoseconds = stat.mtimeNanoseconds;
    }
  }
  return { seconds, nanoseconds };
}

function isLess(a: bigint, b: bigint): boolean {
  return a < 0n === b < 0n ? a < b : b < 0n;
}

function checkStat(table: InodeTable, id: number, stat: Stat): void {
  const fault = faultOf(stat);
  if (fault !== undefined) throw unrepresentable(table, id, fault);
}

function faultOf(stat: Stat): string | undefined {
  if (!isInteger(stat.mode, 0o7777)) return `mode ${stat.mode} has more than permission bits`;
  if (!isInteger(stat.uid, MAX_U32)) return `uid ${stat.uid} is not below 2^32`;
  if (!isInteger(stat.gid, MAX_U32)) return `gid ${stat.gid} is not below 2^32`;
  if (!isInteger(stat.mtimeNanoseconds, 999_999_999)) return `${stat.mtimeNanoseconds} nanoseconds`;
  if (stat.mtimeSeconds > MAX_I64 || stat.mtimeSeconds < MIN_I64) return `${stat.mtimeSeconds} seconds, above 63 bits`;
  return undefined;
}

function isInteger(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

function isCompact(stat: Stat, links: number, size: number, least: Time): boolean {
  return (
    stat.mtimeNanoseconds === least.nanoseconds &&
    stat.mtimeSeconds === least.seconds &&
    links <= MAX_U16 &&
    stat.uid <= MAX_U16 &&
    stat.gid <= MAX_U16 &&
    size <= MAX_U32
  );
}

function shapeDirectory(shapes: InodeShapes, table: InodeTable, id: number): void {
  const packing = packDirectory(table.names, table.firstEntry[id] as number, table.endEntry[id] as number);
  const blocks = packing.blockEnds.length;
  shapes.packings[id] = packing;
  shapes.types[id] = FILE_TYPE.directory;
  shapes.layouts[id] = packing.tailBytes > 0 ? LAYOUT.inline : LAYOUT.plain;
  shapes.sizes[id] = blocks * BLOCK_BYTES + packing.tailBytes;
  shapes.tailBytes[id] = packing.tailBytes;
  shapes.blocks[id] = blocks;
}

function shapeLeaf(shapes: InodeShapes, table: InodeTable, id: number, { content }: Leaf, isV2: boolean): void {
  switch (content.kind) {
    case "char":
    case "block":
      if (content.rdev < 0n || content.rdev > MAX_U32) {
        throw unrepresentable(table, id, `device number ${content.rdev} does not fit 32 bits`);
      }
      shapes.info[id] = Number(content.rdev);
      shapes.types[id] = FILE_TYPE[content.kind];
      return;
    case "fifo":
    case "socket":
      shapes.types[id] = FILE_TYPE[content.kind];
      return;
    case "symlink":
      shapeSymlink(shapes, table, id, content.target, isV2);
      return;
    case "inline":
      shapeInline(shapes, table, id, content.bytes.length, isV2);
      return;
    case "external":
    case "external-no-verity":
    case "sparse":
      if (content.size < 0n || content.size > MAX_U64) {
        throw unrepresentable(table, id, `a size of ${content.size} bytes does not fit 64 bits`);
      }
      shapeChunked(shapes, id, content, isV2);
  }
}

function shapeSymlink(shapes: InodeShapes, table: InodeTable, id: number, target: Uint8Array, isV2: boolean): void {
  const max = isV2 ? V2_MAX_TARGET_BYTES : MAX_TARGET_BYTES;
  const { length } = target;
  // An empty target is nothing the kernel would make, but tars have it, and the format holds it.
  if (length > max) throw unrepresentable(table, id, `a link target of ${length} bytes, more than ${max}`);
  if (target.includes(0)) throw unrepresentable(table, id, "the link target has a NUL byte");
  shapes.types[id] = FILE_TYPE.symlink;
  shapes.layouts[id] = LAYOUT.inline;
  shapes.sizes[id] = length;
  shapes.tailBytes[id] = length;
}

function shapeInline(shapes: InodeShapes, table: InodeTable, id: number, length: number, isV2: boolean): void {
  shapes.types[id] = FILE_TYPE.regular;
  shapes.sizes[id] = length;
  if (isV2 && length > V2_MAX_INLINE_BYTES) {
    throw unrepresentable(table, id, `${length} bytes of inline content, in V2 at most ${V2_MAX_INLINE_BYTES}`);
  }
  const rest = length % BLOCK_BYTES;
  const tail = rest > MAX_FILE_TAIL_BYTES ? 0 : rest;
  shapes.layouts[id] = tail > 0 ? LAYOUT.inline : LAYOUT.plain;
  shapes.tailBytes[id] = tail;
  shapes.blocks[id] = Math.ceil((length - tail) / BLOCK_BYTES);
}

function shapeChunked(
  shapes: InodeShapes,
  id: number,
  content: Extract<LeafContent, { size: bigint }>,
  isV2: boolean,
): void {
  shapes.types[id] = FILE_TYPE.regular;
  shapes.layouts[id] = LAYOUT.chunked;
  shapes.sizes[id] = Number(content.size);
  if (isV2) {
    shapes.info[id] = LG_CHUNK_MAX - 12;
    shapes.tailBytes[id] = content.kind === "external" ? 4 : 0;
    return;
  }
  const lgChunk = Math.min(Math.max(lgSize(content.size), 12), LG_CHUNK_MAX);
  shapes.info[id] = lgChunk - 12;
  shapes.tailBytes[id] = 4 * countChunks(content.size, 2 ** lgChunk);
}

function countChunks(size: bigint, chunk: number): number {
  if (size <= Number.MAX_SAFE_INTEGER) return Math.ceil(Number(size) / chunk);
  return Number((size + BigInt(chunk) - 1n) / BigInt(chunk));
}

/** Bit length of `size - 1`. */
function lgSize(size: bigint): number {
  if (size <= 1n) return 0;
  if (size <= MAX_U32) return 32 - Math.clz32(Number(size) - 1);
  return (size - 1n).toString(2).length;
}

/** Moves the tails of symlinks and chunk lists that do not fit a block to blocks of their own (V0 and V1). */
function moveTail(shapes: InodeShapes, id: number, areaBytes: number): void {
  const tail = shapes.tailBytes[id] as number;
  if (shapes.types[id] === FILE_TYPE.symlink) {
    if ((shapes.headerBytes[id] as number) + areaBytes + tail < BLOCK_BYTES) return;
    shapes.layouts[id] = LAYOUT.plain;
  } else if (shapes.layouts[id] !== LAYOUT.chunked || tail === 0 || tail + (areaBytes % 32) <= BLOCK_BYTES) {
    return;
  }
  shapes.tailBytes[id] = 0;
  shapes.blocks[id] = 1;
}
