import { type HashName, verityDigest } from "@composefs/reflink";
import { type ObjectId, objectIdFromBytes } from "../fsverity/object-id.ts";
import type { Directory } from "../tree/node.ts";
import { emitImage } from "./emit-image.ts";
import { shapeInodes } from "./inode-shape.ts";
import { breadthFirst, depthFirst, tabulateInodes } from "./inode-table.ts";
import { escapeWhiteouts, withStubs } from "./overlay.ts";
import { placeInodes } from "./place-inodes.ts";
import { listXattrs } from "./xattr-lists.ts";

/** Settings of {@link buildImage}. */
export interface BuildOptions {
  /** Format of the image (erofs-image.md §6): 1 is the default of repositories. */
  readonly version: 0 | 1 | 2;
  /** Hash of the object ids in the tree. */
  readonly hash: HashName;
}

/**
 * The EROFS image of a tree, byte for byte that of composefs-rs; the tree is not changed. Its parts, one step each:
 * inodes in a table, xattrs, the shape of each inode, its place, the bytes.
 *
 * @throws ComposefsError `IMAGE_UNREPRESENTABLE` the tree holds what no reader could read back, with the path;
 *   `DIGEST_INVALID` an object id is of the other hash
 * @see erofs-image.md §2 to §5
 */
export function buildImage(root: Directory, { version, hash }: BuildOptions): Uint8Array {
  const table = tabulateInodes(version === 2 ? root : withStubs(root));
  const escapes = version === 2 ? undefined : escapeWhiteouts(table);
  const order = version === 2 ? depthFirst(table) : breadthFirst(table);
  const xattrs = listXattrs(table, version, hash, escapes);
  const shapes = shapeInodes(table, xattrs, escapes);
  const placement = placeInodes(table, order, shapes, xattrs, version);
  return emitImage({ version, table, order, xattrs, shapes, placement });
}

/** Id of an image: the fs-verity digest of its bytes. */
export function imageId(image: Uint8Array, hash: HashName): ObjectId {
  return objectIdFromBytes(verityDigest(image, hash));
}
