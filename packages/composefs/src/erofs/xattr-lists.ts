import type { HashName } from "@composefs/reflink";
import type { ObjectId } from "../fsverity/object-id.ts";
import { isDirectory, type Leaf, type LeafContent, type Stat, type TreeNode } from "../tree/node.ts";
import { XATTR_HEADER_BYTES, XATTR_INDEX } from "./format.ts";
import { type InodeTable, unrepresentable } from "./inode-table.ts";
import { OVERLAY, PARENT_MARKS, PARENT_MARKS_V1, WHITEOUT_MARKS, type WhiteoutEscapes } from "./overlay.ts";
import { compareByIndex, compareByName, createXattrPool, type Xattr, type XattrPool } from "./xattr-pool.ts";

/** The xattrs of all inodes. */
export interface XattrLists {
  /** The xattrs of an id in the order in which they are written. */
  of(id: number): readonly Xattr[];
  /** By id: bytes of the xattr area. */
  readonly areaBytes: Uint32Array;
  /** The shared xattrs in the order of their table. */
  readonly shared: readonly Xattr[];
  /** Whether an inode has a POSIX ACL. */
  readonly hasAcl: boolean;
}

const MAX_SHARED_REFS = 255;
const MAX_INSERTION_SORT = 16;
const MAX_AREA_BYTES = XATTR_HEADER_BYTES + 65534 * 4;

/**
 * Makes the xattr lists of all inodes (erofs-image.md §2.5).
 *
 * @param escapes what becomes of whiteouts; undefined for V2
 * @throws ComposefsError `IMAGE_UNREPRESENTABLE` more than 255 shared xattrs or 262,148 bytes on an inode, or an entry
 *   too long; `DIGEST_INVALID` an object id of the other hash
 */
export function listXattrs(
  table: InodeTable,
  version: 0 | 1 | 2,
  hash: HashName,
  escapes: WhiteoutEscapes | undefined,
): XattrLists {
  const pool = createXattrPool(version, hash);
  const repeated = repeatedObjects(table);
  /** The lists of ids one after the other; empty where the xattrs are made anew. */
  const list: Xattr[] = [];
  const count = table.nodes.length;
  const starts = new Uint32Array(count + 1);
  const areaBytes = new Uint32Array(count);
  for (let id = 0; id < count; id++) {
    const start = list.length;
    starts[id] = start;
    const node = table.nodes[id] as TreeNode;
    if (isPlainObject(node) && !repeated.has(node.content.id)) {
      areaBytes[id] = XATTR_HEADER_BYTES + pool.measureObject(node.content.id);
      continue;
    }
    try {
      if (!isDirectory(node)) addContent(list, node.content, pool);
      addStat(list, node.stat, pool);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw unrepresentable(table, id, cause.message);
    }
    if (escapes !== undefined) {
      if (escapes.escaped[id] === 1) addMarks(list, WHITEOUT_MARKS, pool);
      if (escapes.parents[id] === 1) {
        addMarks(list, PARENT_MARKS, pool);
        if (version === 1) addMarks(list, PARENT_MARKS_V1, pool);
      }
      if (id === 0) addMarks(list, [[OVERLAY.opaque, "y"]], pool);
      sortTail(list, start);
    }
    for (let at = start; at < list.length; at++) (list[at] as Xattr).uses++;
  }
  starts[count] = list.length;
  const shared = pool.shared().sort(version === 2 ? compareByIndex : (a, b) => compareByName(b, a));
  const of = (id: number): readonly Xattr[] => {
    const start = starts[id] as number;
    const end = starts[id + 1] as number;
    const node = table.nodes[id] as TreeNode;
    return start === end && isPlainObject(node) ? pool.onceOfObject(node.content.id) : list.slice(start, end);
  };
  // How often an xattr stands is known only now.
  for (let id = 0; id < count; id++) if (areaBytes[id] === 0) areaBytes[id] = measureArea(table, id, of(id));
  return { of, areaBytes, shared, hasAcl: list.some(isAcl) };
}

/** A file that is an object and has no xattrs but those that say so: most inodes of an image. */
function isPlainObject(node: TreeNode): node is Leaf & { readonly content: { readonly kind: "external" } } {
  return !isDirectory(node) && node.content.kind === "external" && node.stat.xattrs.size === 0;
}

/** The objects that several inodes have. */
function repeatedObjects({ nodes }: InodeTable): ReadonlySet<ObjectId> {
  const met = new Set<ObjectId>();
  const repeated = new Set<ObjectId>();
  for (const node of nodes) {
    if (isDirectory(node) || !("id" in node.content)) continue;
    const { id } = node.content;
    if (met.has(id)) repeated.add(id);
    else met.add(id);
  }
  return repeated;
}

function addContent(list: Xattr[], content: LeafContent, pool: XattrPool): void {
  if (content.kind === "external") {
    const { metacopy, redirect } = pool.ofObject(content.id);
    list.push(metacopy, redirect);
  } else if (content.kind === "external-no-verity") {
    list.push(pool.mark(OVERLAY.metacopy, ""), pool.ofObject(content.id).redirect);
  } else if (content.kind === "sparse") {
    list.push(pool.mark(OVERLAY.metacopy, ""));
  }
}

function addStat(list: Xattr[], { xattrs }: Stat, pool: XattrPool): void {
  if (xattrs.size === 0) return;
  if (xattrs.size === 1) {
    for (const [name, value] of xattrs) list.push(pool.ofTree(name, value));
    return;
  }
  for (const name of [...xattrs.keys()].sort()) {
    list.push(pool.ofTree(name, xattrs.get(name) as Uint8Array));
  }
}

function addMarks(list: Xattr[], marks: readonly (readonly [string, string])[], pool: XattrPool): void {
  for (const [name, value] of marks) list.push(pool.mark(name, value));
}

/** A stable insertion sort in place: most lists have two or three xattrs. */
function sortTail(list: Xattr[], start: number): void {
  if (list.length - start > MAX_INSERTION_SORT) {
    const sorted = list.splice(start).sort(compareByName);
    for (const xattr of sorted) list.push(xattr);
    return;
  }
  for (let i = start + 1; i < list.length; i++) {
    const xattr = list[i] as Xattr;
    let at = i;
    for (; at > start && compareByName(list[at - 1] as Xattr, xattr) > 0; at--) list[at] = list[at - 1] as Xattr;
    list[at] = xattr;
  }
}

/** Bytes of the xattr area of an inode. */
function measureArea(table: InodeTable, id: number, xattrs: readonly Xattr[]): number {
  if (xattrs.length === 0) return 0;
  let bytes = XATTR_HEADER_BYTES;
  let refs = 0;
  for (const xattr of xattrs) {
    if (xattr.uses > 1) refs++;
    else bytes += xattr.bytes;
  }
  bytes += refs * 4;
  if (refs > MAX_SHARED_REFS) {
    throw unrepresentable(table, id, `${refs} xattrs are shared with others, at most ${MAX_SHARED_REFS}`);
  }
  if (bytes > MAX_AREA_BYTES) {
    throw unrepresentable(table, id, `its xattrs take ${bytes} bytes, at most ${MAX_AREA_BYTES}`);
  }
  return bytes;
}

function isAcl({ name }: Xattr): boolean {
  return name.index === XATTR_INDEX.aclAccess || name.index === XATTR_INDEX.aclDefault;
}
