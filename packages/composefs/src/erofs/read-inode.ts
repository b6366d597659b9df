import {
  BLOCK_BYTES,
  CHUNK_INDEX_BYTES,
  COMPACT,
  EXTENDED,
  INODE,
  INODES_AT,
  LAYOUT,
  SLOT_BYTES,
  TYPE_MODES,
  XATTR_HEADER_BYTES,
} from "./format.ts";
import { claim, type ImageView, invalid } from "./image-view.ts";

/** An inode as the image has it; offsets are from the start of the image. */
export interface Inode {
  readonly nid: number;
  readonly at: number;
  /** Of FILE_TYPE, from the mode; 0: none that there is. */
  readonly type: number;
  /** Permission bits. */
  readonly mode: number;
  /** Of LAYOUT. */
  readonly layout: number;
  readonly nlink: number;
  /** Of the file it stands for, in bytes. */
  readonly size: bigint;
  /** Bytes of data in the image: `size`, or 0 if chunked. */
  readonly dataBytes: number;
  /** i_u: first block, chunk format or device number. */
  readonly info: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: bigint;
  readonly mtimeNanoseconds: number;
  readonly xattrsAt: number;
  /** Where the xattrs end and the tail starts. */
  readonly tailAt: number;
}

const TYPE_MASK = 0o170000;

/**
 * Reads an inode's fields (erofs-image.md §9.2).
 *
 * @throws ComposefsError `IMAGE_INVALID` it does not lie within the image, or has a layout or time that there is not
 */
export function readInode(image: ImageView, nid: number): Inode {
  const { view } = image;
  const { length } = image.bytes;
  const at = nid * SLOT_BYTES;
  if (at < INODES_AT || at + COMPACT.bytes > length) throw invalid(image, `inode ${nid} is not in the image`, at);
  const format = view.getUint16(at + INODE.format, true);
  const isExtended = format % 2 === 1;
  const layout = (format & 14) / 2;
  if (layout !== LAYOUT.plain && layout !== LAYOUT.inline && layout !== LAYOUT.chunked) {
    throw invalid(image, `inode ${nid} has data layout ${layout}, expected 0, 2 or 4`, at);
  }
  const headerBytes = isExtended ? EXTENDED.bytes : COMPACT.bytes;
  if (at + headerBytes > length) throw invalid(image, `inode ${nid} reaches out of the image`, at);
  const count = view.getUint16(at + INODE.xattrCount, true);
  const tailAt = at + headerBytes + (count === 0 ? 0 : XATTR_HEADER_BYTES + (count - 1) * 4);
  const size = isExtended ? view.getBigUint64(at + INODE.size, true) : BigInt(view.getUint32(at + INODE.size, true));
  let dataBytes = 0;
  if (layout !== LAYOUT.chunked) {
    if (size > BigInt(length)) {
      throw invalid(image, `inode ${nid} has ${size} bytes of data in an image of ${length}`, at + INODE.size);
    }
    dataBytes = Number(size);
  }
  const tailBytes =
    layout === LAYOUT.chunked ? CHUNK_INDEX_BYTES : layout === LAYOUT.inline ? dataBytes % BLOCK_BYTES : 0;
  if (tailAt + tailBytes > length) throw invalid(image, `inode ${nid} reaches out of the image`, at);
  claim(image, tailAt - at + dataBytes, at);
  const mtimeNanoseconds = isExtended
    ? view.getUint32(at + EXTENDED.mtimeNanoseconds, true)
    : image.buildTimeNanoseconds;
  if (mtimeNanoseconds > 999_999_999) throw invalid(image, `inode ${nid} has ${mtimeNanoseconds} nanoseconds`, at);
  const mode = view.getUint16(at + INODE.mode, true);
  return {
    nid,
    at,
    type: Math.max(0, TYPE_MODES.indexOf(mode & TYPE_MASK, 1)),
    mode: mode & 0o7777,
    layout,
    nlink: isExtended ? view.getUint32(at + EXTENDED.nlink, true) : view.getUint16(at + COMPACT.nlink, true),
    size,
    dataBytes,
    info: view.getUint32(at + INODE.info, true),
    uid: isExtended ? view.getUint32(at + EXTENDED.uid, true) : view.getUint16(at + COMPACT.uid, true),
    gid: isExtended ? view.getUint32(at + EXTENDED.gid, true) : view.getUint16(at + COMPACT.gid, true),
    mtimeSeconds: isExtended ? view.getBigInt64(at + EXTENDED.mtime, true) : image.buildTime,
    mtimeNanoseconds,
    xattrsAt: at + headerBytes,
    tailAt,
  };
}

/** The blocks of an inode that is not chunked, without the tail. @throws ComposefsError `IMAGE_INVALID` */
export function inodeBlocks(image: ImageView, inode: Inode): Buffer {
  const bytes = inode.layout === LAYOUT.inline ? inode.dataBytes - (inode.dataBytes % BLOCK_BYTES) : inode.dataBytes;
  const start = inode.info * BLOCK_BYTES;
  if (bytes === 0) return image.bytes.subarray(0, 0);
  if (start + Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES > image.bytes.length) {
    throw invalid(image, `inode ${inode.nid}: ${bytes} bytes from block ${inode.info} are not in the image`, inode.at);
  }
  return image.bytes.subarray(start, start + bytes);
}

/** What of an inode's data stands behind its xattrs. */
export function inodeTail(image: ImageView, inode: Inode): Buffer {
  const bytes = inode.layout === LAYOUT.inline ? inode.dataBytes % BLOCK_BYTES : 0;
  return image.bytes.subarray(inode.tailAt, inode.tailAt + bytes);
}

/** All data of an inode that is not chunked; a view of the image where possible. @throws ComposefsError `IMAGE_INVALID` */
export function inodeData(image: ImageView, inode: Inode): Buffer {
  const blocks = inodeBlocks(image, inode);
  const tail = inodeTail(image, inode);
  if (blocks.length === 0) return tail;
  return tail.length === 0 ? blocks : Buffer.concat([blocks, tail]);
}
