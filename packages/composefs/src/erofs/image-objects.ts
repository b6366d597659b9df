import type { HashName } from "@composefs/reflink";
import { type ObjectId, objectIds } from "../fsverity/object-id.ts";
import { BLOCK_BYTES, FILE_TYPE, LAYOUT } from "./format.ts";
import { type ImageView, invalid, openImage } from "./image-view.ts";
import { endsInPathOf, metacopyDigest, partXattrs, redirectId } from "./overlay-xattrs.ts";
import { type Dirent, readDirectory } from "./read-directory.ts";
import { type Inode, readInode } from "./read-inode.ts";
import { readXattrs, type StoredXattr } from "./read-xattrs.ts";

const STUB_NAME = /^[0-9a-f]{2}$/;
/** What an image's digests are gathered in at first. */
const FIRST_BYTES = 64 * 1024;

/** Ids of the objects that an image refers to, sorted, each once. @throws as {@link imageDigests} */
export function imageObjects(bytes: Uint8Array, hash: HashName): ObjectId[] {
  return [...new Set(objectIds(imageDigests(bytes, hash), hash))].sort();
}

/**
 * Digests, raw one after the other, of all objects that an image refers to in metacopy xattrs or redirects; one that
 * several files share comes several times. Also the metadata check of erofs-image.md §9.4: what a kernel or the format's
 * rules would not take is refused, though {@link parseImage} could read it. On the other hand the shape of the tree is not
 * checked.
 *
 * @throws ComposefsError `IMAGE_INVALID` with `offset`
 */
export function imageDigests(bytes: Uint8Array, hash: HashName): Buffer {
  const image = openImage(bytes, hash);
  let digests = Buffer.alloc(FIRST_BYTES);
  let used = 0;
  const add = (digest: Buffer): void => {
    if (used + digest.length > digests.length) digests = Buffer.concat([digests], 2 * digests.length);
    used += digest.copy(digests, used);
  };
  const shared = new Map<number, StoredXattr>();
  const seen = new Set([image.rootNid]);
  const rootChildren = new Set<number>();
  for (const nid of seen) {
    const inode = readInode(image, nid);
    const { metacopy, redirect, isWhiteout } = partXattrs(readXattrs(image, inode, shared));
    const digest = metacopy && metacopyDigest(metacopy, hash);
    if (digest !== undefined) add(digest);
    const known = redirect === undefined || (digest !== undefined && endsInPathOf(redirect, digest));
    const target = known ? undefined : redirectId(redirect, hash);
    if (target !== undefined) add(Buffer.from(target, "hex"));
    checkInode(image, inode, isWhiteout, rootChildren.has(nid));
    if (inode.type !== FILE_TYPE.directory) continue;
    const entries = readDirectory(image, inode);
    if (nid === image.rootNid) checkStubs(image, entries, inode);
    for (const { name, nid: child } of entries) {
      if (name === "." || name === "..") continue;
      seen.add(child); // the loop comes to what it adds
      if (nid === image.rootNid) rootChildren.add(child);
    }
  }
  return digests.subarray(0, used);
}

function checkInode(image: ImageView, inode: Inode, isEscapedWhiteout: boolean, inRoot: boolean): void {
  if (image.version === 2) {
    if (isEscapedWhiteout && inode.type === FILE_TYPE.regular) {
      throw invalid(image, "an escaped whiteout in V2", inode.at);
    }
    return;
  }
  if (inode.type === FILE_TYPE.symlink && inode.layout === LAYOUT.inline) {
    const end = (inode.at % BLOCK_BYTES) + (inode.tailAt - inode.at) + (inode.dataBytes % BLOCK_BYTES);
    if (end > BLOCK_BYTES) {
      throw invalid(image, "a link target crosses blocks, which kernels before 6.12 refuse (EUCLEAN)", inode.at);
    }
  }
  if (inode.type === FILE_TYPE.char && inode.info === 0 && !inRoot) {
    throw invalid(image, "a whiteout outside the root that is not escaped", inode.at);
  }
}

function checkStubs(image: ImageView, entries: readonly Dirent[], root: Inode): void {
  if (image.version === 2) return;
  const count = entries.filter(({ name }) => STUB_NAME.test(name)).length;
  if (count !== 256) throw invalid(image, `${count} of the root's entries 00 to ff, expected 256`, root.at);
}
