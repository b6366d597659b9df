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

/** An image whose bytes are yet to be written. */
export interface PlannedImage {
  /** Length in bytes. */
  readonly size: number;
  /** The bytes in pieces, each valid until the next one is asked for; each call begins anew. */
  pieces(): Generator<Uint8Array, void, undefined>;
}

/**
 * Plans the EROFS image of a tree, byte for byte that of composefs-rs. The tree is not changed, and must not change while
 * the bytes are written. The parts, one step each: inodes in a table, xattrs, the shape of each inode, its place.
 *
 * @throws ComposefsError `IMAGE_UNREPRESENTABLE` the tree holds what no reader could read back, with the path;
 *   `DIGEST_INVALID` an object id is of the other hash
 * @see erofs-image.md §2 to §5
 */
export function planImage(root: Directory, { version, hash }: BuildOptions): PlannedImage {
  const table = tabulateInodes(version === 2 ? root : withStubs(root));
  const escapes = version === 2 ? undefined : escapeWhiteouts(table);
  const order = version === 2 ? depthFirst(table) : breadthFirst(table);
  const xattrs = listXattrs(table, version, hash, escapes);
  const shapes = shapeInodes(table, xattrs, escapes);
  const placement = placeInodes(table, order, shapes, xattrs, version);
  const plan = { version, table, order, xattrs, shapes, placement };
  return { size: placement.end, pieces: () => emitImage(plan) };
}

/** The EROFS image of a tree, in memory. @throws as {@link planImage} */
export function buildImage(root: Directory, options: BuildOptions): Uint8Array {
  const { size, pieces } = planImage(root, options);
  const image = Buffer.alloc(size);
  let at = 0;
  for (const piece of pieces()) {
    image.set(piece, at);
    at += piece.length;
  }
  return image;
}

/** Id of an image: the fs-verity digest of its bytes. */
export function imageId(image: Uint8Array, hash: HashName): ObjectId {
  return objectIdFromBytes(verityDigest(image, hash));
}
