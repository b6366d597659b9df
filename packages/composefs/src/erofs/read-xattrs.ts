import type { ByteString } from "../tree/node.ts";
import { roundUp, XATTR_ENTRY_BYTES, XATTR_HEADER_BYTES, XATTR_PREFIXES } from "./format.ts";
import { type ImageView, invalid } from "./image-view.ts";
import type { Inode } from "./read-inode.ts";

/** An xattr as the image has it: the name not unescaped, the value a view of the image. */
export interface StoredXattr {
  readonly name: ByteString;
  readonly value: Buffer;
  /** Bytes of the entry with its padding. */
  readonly bytes: number;
}

/**
 * The xattrs of an inode: shared ones, then local ones.
 *
 * @param shared shared xattrs read before, by reference; gets new ones
 * @throws ComposefsError `IMAGE_INVALID` an entry is not where it can be, or its prefix is unknown
 */
export function readXattrs(image: ImageView, inode: Inode, shared: Map<number, StoredXattr>): StoredXattr[] {
  const list: StoredXattr[] = [];
  const { xattrsAt, tailAt: end } = inode;
  if (xattrsAt === end) return list;
  let at = xattrsAt + XATTR_HEADER_BYTES;
  for (let refs = image.view.getUint8(xattrsAt + 4); refs > 0; refs--, at += 4) {
    if (at + 4 > end) throw invalid(image, "more shared xattrs than the xattr area has room for", xattrsAt);
    const ref = image.view.getUint32(at, true);
    let xattr = shared.get(ref);
    if (xattr === undefined) {
      xattr = readEntry(image, image.xattrsAt + ref * 4, image.bytes.length);
      shared.set(ref, xattr);
    }
    list.push(xattr);
  }
  while (at < end) {
    const xattr = readEntry(image, at, end);
    list.push(xattr);
    at += xattr.bytes;
  }
  return list;
}

function readEntry(image: ImageView, at: number, end: number): StoredXattr {
  const { bytes, view } = image;
  const suffixAt = at + XATTR_ENTRY_BYTES;
  if (suffixAt > end) throw invalid(image, "an xattr entry reaches out of its area", at);
  const index = view.getUint8(at + 1);
  const prefix = XATTR_PREFIXES[index];
  if (prefix === undefined) throw invalid(image, `xattr prefix ${index}, at most ${XATTR_PREFIXES.length - 1}`, at);
  const valueAt = suffixAt + view.getUint8(at);
  const valueEnd = valueAt + view.getUint16(at + 2, true);
  if (valueEnd > end) throw invalid(image, "an xattr entry reaches out of its area", at);
  const name = (prefix + bytes.toString("latin1", suffixAt, valueAt)) as ByteString;
  return { name, value: bytes.subarray(valueAt, valueEnd), bytes: roundUp(valueEnd - at, 4) };
}
