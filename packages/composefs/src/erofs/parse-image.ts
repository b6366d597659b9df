import type { HashName } from "@composefs/reflink";
import { objectIdFromBytes } from "../fsverity/object-id.ts";
import { type ByteString, type Directory, isWhiteout, type Leaf, type LeafContent, type Stat } from "../tree/node.ts";
import { FILE_TYPE, LAYOUT, MAX_DEPTH, V2_MAX_INLINE_BYTES, V2_MAX_TARGET_BYTES } from "./format.ts";
import { type ImageView, invalid, openImage } from "./image-view.ts";
import { metacopyDigest, type PartedXattrs, partXattrs, redirectId } from "./overlay-xattrs.ts";
import { type Dirent, readDirectory } from "./read-directory.ts";
import { type Inode, inodeData, readInode } from "./read-inode.ts";
import { readXattrs, type StoredXattr } from "./read-xattrs.ts";

/** Settings of {@link parseImage}. */
export interface ParseOptions {
  /** Hash of the object ids in the image. */
  readonly hash: HashName;
}

interface Parser {
  readonly image: ImageView;
  readonly shared: Map<number, StoredXattr>;
  /** Directories met, by nid. */
  readonly directories: Set<number>;
  /** Leaves whose nlink is not 1, by nid. */
  readonly links: Map<number, LinkedLeaf>;
}

interface LinkedLeaf {
  readonly leaf: Leaf;
  readonly inode: Inode;
  /** Of the first entry. */
  readonly path: readonly ByteString[];
  found: number;
}

/** A directory whose entries are being read. */
interface Frame {
  readonly inode: Inode;
  readonly directory: Directory;
  readonly entries: readonly Dirent[];
  next: number;
  subdirectories: number;
}

const STUB_NAME = /^[0-9a-f]{2}$/i;

/**
 * The tree of an image. Nothing in the image is trusted: work and memory stay within a small multiple of its length.
 * Contents, targets and xattr values are views of `bytes`. What only images have is taken out: stubs, marks and escapes;
 * so xattrs of the tree with their names are lost (erofs-image.md §9.3).
 *
 * @throws ComposefsError `IMAGE_INVALID` with `path` (null for the superblock) and `offset` in bytes
 * @see erofs-image.md §9
 */
export function parseImage(bytes: Uint8Array, { hash }: ParseOptions): Directory {
  const parser: Parser = {
    image: openImage(bytes, hash),
    shared: new Map(),
    directories: new Set(),
    links: new Map(),
  };
  const { image } = parser;
  const path: ByteString[] = [];
  image.path = path;
  const rootInode = readInode(image, image.rootNid);
  if (rootInode.type !== FILE_TYPE.directory) throw invalid(image, "the root is not a directory", rootInode.at);
  const root = openDirectory(parser, rootInode, rootInode.nid);
  const stack = [root];
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const entry = frame.entries[frame.next++];
    if (entry === undefined) {
      checkSubdirectories(image, frame);
      stack.pop();
      path.pop();
      continue;
    }
    if (entry.name === "." || entry.name === "..") continue;
    path.push(entry.name);
    const linked = parser.links.get(entry.nid);
    if (linked !== undefined) {
      linked.found++;
      addLeaf(frame, entry.name, linked.leaf, stack.length === 1);
      path.pop();
      continue;
    }
    const inode = readInode(image, entry.nid);
    if (inode.type === FILE_TYPE.directory) {
      if (stack.length >= MAX_DEPTH) throw invalid(image, `directories nested ${MAX_DEPTH} deep`, inode.at);
      const child = openDirectory(parser, inode, frame.inode.nid);
      frame.directory.entries.set(entry.name, child.directory);
      frame.subdirectories++;
      stack.push(child);
      continue;
    }
    addLeaf(frame, entry.name, readLeaf(parser, inode), stack.length === 1);
    path.pop();
  }
  for (const { inode, found, path: firstPath } of parser.links.values()) {
    if (inode.nlink === found) continue;
    image.path = firstPath;
    throw invalid(image, `inode ${inode.nid} has nlink ${inode.nlink}, found ${found} entries`, inode.at);
  }
  return root.directory;
}

/** Stubs of the root are no part of the tree. */
function addLeaf(frame: Frame, name: ByteString, leaf: Leaf, inRoot: boolean): void {
  if (inRoot && isWhiteout(leaf) && STUB_NAME.test(name)) return;
  frame.directory.entries.set(name, leaf);
}

function openDirectory(parser: Parser, inode: Inode, parentNid: number): Frame {
  const { image } = parser;
  if (parser.directories.has(inode.nid)) throw invalid(image, "a directory is in the tree twice", inode.at);
  parser.directories.add(inode.nid);
  const entries = readDirectory(image, inode);
  for (const [name, nid] of [
    [".", inode.nid],
    ["..", parentNid],
  ] as const) {
    const found = entries.find((entry) => entry.name === name)?.nid;
    if (found !== nid) throw invalid(image, `entry '${name}' is ${found ?? "missing"}, expected ${nid}`, inode.at);
  }
  const { own } = partXattrs(readXattrs(image, inode, parser.shared));
  const directory = { stat: statOf(inode, own), entries: new Map() };
  return { inode, directory, entries, next: 0, subdirectories: 0 };
}

function checkSubdirectories(image: ImageView, { inode, subdirectories }: Frame): void {
  if (inode.nlink === 2 + subdirectories) return;
  throw invalid(image, `directory with nlink ${inode.nlink}, found 2 + ${subdirectories} subdirectories`, inode.at);
}

function readLeaf(parser: Parser, inode: Inode): Leaf {
  const { image, shared, links } = parser;
  const xattrs = partXattrs(readXattrs(image, inode, shared));
  const leaf: Leaf = { stat: statOf(inode, xattrs.own), content: contentOf(image, inode, xattrs) };
  if (inode.nlink !== 1) {
    if (inode.nlink > 1 && isWhiteout(leaf)) throw invalid(image, `a whiteout with nlink ${inode.nlink}`, inode.at);
    links.set(inode.nid, { leaf, inode, path: [...(image.path ?? [])], found: 1 });
  }
  return leaf;
}

function statOf(inode: Inode, xattrs: Map<ByteString, Uint8Array>): Stat {
  const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = inode;
  return { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs };
}

function contentOf(image: ImageView, inode: Inode, xattrs: PartedXattrs): LeafContent {
  switch (inode.type) {
    case FILE_TYPE.regular:
      return fileContent(image, inode, xattrs);
    case FILE_TYPE.char:
      return { kind: "char", rdev: BigInt(inode.info) };
    case FILE_TYPE.block:
      return { kind: "block", rdev: BigInt(inode.info) };
    case FILE_TYPE.fifo:
      return { kind: "fifo" };
    case FILE_TYPE.socket:
      return { kind: "socket" };
    case FILE_TYPE.symlink:
      return { kind: "symlink", target: readTarget(image, inode) };
    default:
      throw invalid(image, "the mode has no known file type", inode.at);
  }
}

function fileContent(image: ImageView, inode: Inode, { metacopy, redirect, isWhiteout }: PartedXattrs): LeafContent {
  const { hash, version } = image;
  if (isWhiteout) return { kind: "char", rdev: 0n };
  if (metacopy !== undefined && metacopy.length > 0) {
    const digest = metacopyDigest(metacopy, hash);
    if (digest === undefined) {
      throw invalid(image, `${metacopy.length} bytes of metacopy xattr that hold no ${hash} digest`, inode.at);
    }
    return { kind: "external", id: objectIdFromBytes(digest), size: inode.size };
  }
  const id = redirect === undefined ? undefined : redirectId(redirect, hash);
  if (id !== undefined) return { kind: "external-no-verity", id, size: inode.size };
  if (inode.layout === LAYOUT.chunked) return { kind: "sparse", size: inode.size };
  if (version === 2 && inode.dataBytes > V2_MAX_INLINE_BYTES) {
    throw invalid(image, `${inode.dataBytes} bytes of inline content, at most ${V2_MAX_INLINE_BYTES}`, inode.at);
  }
  return { kind: "inline", bytes: inodeData(image, inode) };
}

function readTarget(image: ImageView, inode: Inode): Buffer {
  if (image.version === 2 && inode.dataBytes > V2_MAX_TARGET_BYTES) {
    throw invalid(image, `link target of ${inode.dataBytes} bytes, at most ${V2_MAX_TARGET_BYTES}`, inode.at);
  }
  const target = inodeData(image, inode);
  if (target.includes(0)) throw invalid(image, "link target with NUL", inode.at);
  return target;
}
