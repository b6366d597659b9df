import type { ObjectId } from "../fsverity/object-id.ts";

/**
 * Bytes as a string with one char (U+0000 to U+00FF) per byte: a map key that compares bytewise with `<`. Made by
 * {@link byteString}, undone by {@link bytesOf}.
 */
export type ByteString = string & { readonly __byteString: unique symbol };

/** Bytes as a map key. */
export function byteString(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1") as ByteString;
}

/** The bytes of a map key. */
export function bytesOf(key: ByteString): Buffer {
  return Buffer.from(key, "latin1");
}

/** What every inode has besides its kind (erofs-image.md §1.1). */
export interface Stat {
  /** Permission bits, at most 0o7777; the type follows from the node. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since 1970, 64 bits with sign. */
  mtimeSeconds: bigint;
  /** 0 to 999,999,999. */
  mtimeNanoseconds: number;
  /** Name to value; order does not matter. Many inodes may share one map: put another in its place to change it. */
  xattrs: ReadonlyMap<ByteString, Uint8Array>;
}

/** What a leaf is. Sizes are in bytes and use all 64 bits. */
export type LeafContent =
  /** Regular file whose bytes are in the image. */
  | { readonly kind: "inline"; readonly bytes: Uint8Array }
  /** Regular file that is an object. */
  | { readonly kind: "external"; readonly id: ObjectId; readonly size: bigint }
  /** As external, but the image records no digest; only dumpfiles bring it. */
  | { readonly kind: "external-no-verity"; readonly id: ObjectId; readonly size: bigint }
  /** Regular file without content or object. */
  | { readonly kind: "sparse"; readonly size: bigint }
  | { readonly kind: "symlink"; readonly target: Uint8Array }
  /** Device; `rdev` as st_rdev gives it, below 2^32 in images. A char device 0 is a whiteout. */
  | { readonly kind: "char" | "block"; readonly rdev: bigint }
  | { readonly kind: "fifo" | "socket" };

/** Anything but a directory. One object is one inode: standing in several directory entries makes it a hard link. */
export interface Leaf {
  readonly stat: Stat;
  readonly content: LeafContent;
}

/** A directory; each is in the tree once. */
export interface Directory {
  stat: Stat;
  /** Children by name; iterate with {@link sortedEntries}. */
  readonly entries: Map<ByteString, TreeNode>;
}

export type TreeNode = Leaf | Directory;

/** Whether a node is a directory. */
export function isDirectory(node: TreeNode): node is Directory {
  return "entries" in node;
}

const KIND_WORDS: Readonly<Record<LeafContent["kind"], string>> = {
  inline: "a regular file",
  external: "a regular file",
  "external-no-verity": "a regular file",
  sparse: "a regular file",
  symlink: "a symbolic link",
  char: "a character device",
  block: "a block device",
  fifo: "a FIFO",
  socket: "a socket",
};

/** What a node is, for messages: `a symbolic link`. */
export function kindWords(node: TreeNode): string {
  return isDirectory(node) ? "a directory" : KIND_WORDS[node.content.kind];
}

/** A char device 0:0, which overlayfs takes for a removed file. */
export function isWhiteout(node: TreeNode): boolean {
  return !isDirectory(node) && node.content.kind === "char" && node.content.rdev === 0n;
}

/** A directory's children in bytewise order of their names. */
export function sortedEntries(directory: Directory): [ByteString, TreeNode][] {
  return [...directory.entries].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** No xattrs; one for all, since nearly every inode has none and an empty map takes some 200 bytes. */
export const NO_XATTRS: Stat["xattrs"] = new Map();

/** A new Stat: mode, owners and times 0 unless given. */
export function createStat({
  mode = 0,
  uid = 0,
  gid = 0,
  mtimeSeconds = 0n,
  mtimeNanoseconds = 0,
  xattrs = NO_XATTRS,
}: Partial<Stat> = {}): Stat {
  return { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs };
}

/** A new empty directory. */
export function createDirectory(stat: Stat = createStat()): Directory {
  return { stat, entries: new Map() };
}
