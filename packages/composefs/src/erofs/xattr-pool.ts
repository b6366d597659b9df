import { ALGORITHM_NUMBER, DIGEST_BYTES, type HashName } from "@composefs/reflink";
import { idLength, type ObjectId, parseObjectId } from "../fsverity/object-id.ts";
import { type ByteString, byteString } from "../tree/node.ts";
import { roundUp, XATTR_ENTRY_BYTES, XATTR_INDEX, XATTR_PREFIXES } from "./format.ts";
import { OVERLAY } from "./overlay.ts";
import { xxh32 } from "./xxh32.ts";

/** An xattr name as it is written. */
interface XattrName {
  /** Prefix and suffix, escaped. */
  readonly full: string;
  /** Of {@link XATTR_PREFIXES}. */
  readonly index: number;
  readonly suffix: string;
  /** The bit of the name filter. */
  readonly filterBit: number;
  /** Xattrs of that name by value, but those of objects. */
  readonly xattrs: Map<string, Xattr>;
  /** The latest of them that came from a tree, with its value: neighbours are often labelled alike. */
  latest: { readonly bytes: Uint8Array; readonly xattr: Xattr } | undefined;
}

/** How {@link Xattr.value} stands for the value: the bytes themselves, or an object id of which the value is made. */
type ValueForm = "bytes" | "metacopy" | "redirect";

/** A name and value; one object for all inodes that have it. */
export interface Xattr {
  readonly name: XattrName;
  readonly form: ValueForm;
  /** One char per byte, or an object id; either sorts as the value does among values of that name and length. */
  readonly value: string;
  readonly valueBytes: number;
  /** Length of the entry. */
  readonly bytes: number;
  /** How often it stands in the lists of all inodes; from 2 on it is shared. */
  uses: number;
  /** The number by which inodes refer to the shared entry; set when the entry has a place. */
  ref: number;
}

/** Longest suffix and value that an entry can have. */
const MAX_SUFFIX_BYTES = 255;
const MAX_VALUE_BYTES = 65535;

const FILTER_SEED = 0x25bbe08f;

/** What overlayfs needs to find an object. */
interface ObjectXattrs {
  readonly metacopy: Xattr;
  readonly redirect: Xattr;
}

/** The xattrs of an image. */
export interface XattrPool {
  /** The xattr of a name as the tree has it. @throws RangeError with the reason if an entry cannot hold it */
  ofTree(name: ByteString, value: Uint8Array): Xattr;
  /** A mark of ours, whose name is not escaped. */
  mark(full: string, value: string): Xattr;
  /** `trusted.overlay.metacopy` and `.redirect` of an object. @throws ComposefsError `DIGEST_INVALID` */
  ofObject(id: ObjectId): ObjectXattrs;
  /**
   * The same in the order of their names, of an object that only one inode has. They are not kept: there are as many as
   * files. @throws ComposefsError `DIGEST_INVALID`
   */
  onceOfObject(id: ObjectId): readonly [metacopy: Xattr, redirect: Xattr];
  /** Length of those two entries. @throws ComposefsError `DIGEST_INVALID` */
  measureObject(id: ObjectId): number;
  /** All xattrs that stand more than once, in no order. */
  shared(): Xattr[];
}

/** An empty pool. @param hash the hash that object ids must have */
export function createXattrPool(version: 0 | 1 | 2, hash: HashName): XattrPool {
  const names = new Map<string, XattrName>();
  const treeNames = new Map<ByteString, XattrName>();
  const named = (full: string): XattrName => {
    let name = names.get(full);
    if (name === undefined) {
      name = splitName(full, version);
      names.set(full, name);
    }
    return name;
  };
  const ofValue = (name: XattrName, value: string): Xattr => {
    let xattr = name.xattrs.get(value);
    if (xattr === undefined) {
      xattr = createXattr(name, "bytes", value, value.length);
      name.xattrs.set(value, xattr);
    }
    return xattr;
  };
  const metacopyName = named(OVERLAY.metacopy);
  const redirectName = named(OVERLAY.redirect);
  const metacopyBytes = metacopyHeader(hash).length + DIGEST_BYTES[hash];
  const objects = new Map<ObjectId, ObjectXattrs>();
  const checkObject = (id: ObjectId): void => {
    if (id.length !== idLength(hash)) parseObjectId(id, hash); // throws; the brand says it is hexadecimal
  };
  const createObject = (id: ObjectId): ObjectXattrs => {
    checkObject(id);
    return {
      metacopy: createXattr(metacopyName, "metacopy", id, metacopyBytes),
      redirect: createXattr(redirectName, "redirect", id, id.length + 2),
    };
  };
  return {
    ofTree(treeName, value) {
      let name = treeNames.get(treeName);
      if (name === undefined) {
        name = named(escapeName(treeName));
        treeNames.set(treeName, name);
      }
      if (name.latest !== undefined && isEqual(name.latest.bytes, value)) return name.latest.xattr;
      const xattr = ofValue(name, byteString(value));
      name.latest = { bytes: value, xattr };
      return xattr;
    },
    mark(full, value) {
      return ofValue(named(full), value);
    },
    ofObject(id) {
      let xattrs = objects.get(id);
      if (xattrs === undefined) {
        xattrs = createObject(id);
        objects.set(id, xattrs);
      }
      return xattrs;
    },
    onceOfObject(id) {
      const { metacopy, redirect } = createObject(id);
      return [metacopy, redirect];
    },
    measureObject(id) {
      checkObject(id);
      return entryBytes(metacopyName, metacopyBytes) + entryBytes(redirectName, id.length + 2);
    },
    shared() {
      const shared: Xattr[] = [];
      for (const name of names.values()) {
        for (const xattr of name.xattrs.values()) if (xattr.uses > 1) shared.push(xattr);
      }
      for (const { metacopy, redirect } of objects.values()) {
        if (metacopy.uses > 1) shared.push(metacopy);
        if (redirect.uses > 1) shared.push(redirect);
      }
      return shared;
    },
  };
}

function createXattr(name: XattrName, form: ValueForm, value: string, valueBytes: number): Xattr {
  if (valueBytes > MAX_VALUE_BYTES) {
    throw new RangeError(`xattr ${name.full} has a value of ${valueBytes} bytes, at most ${MAX_VALUE_BYTES}`);
  }
  return { name, form, value, valueBytes, bytes: entryBytes(name, valueBytes), uses: 0, ref: 0 };
}

function entryBytes(name: XattrName, valueBytes: number): number {
  return roundUp(XATTR_ENTRY_BYTES + name.suffix.length + valueBytes, 4);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What stands before the digest in a metacopy value: version 0, length, flags 0, algorithm. */
export function metacopyHeader(hash: HashName): readonly number[] {
  return [0, 4 + DIGEST_BYTES[hash], 0, ALGORITHM_NUMBER[hash]];
}

/** Order of V0 and V1: full name, value length, value. */
export function compareByName(a: Xattr, b: Xattr): number {
  if (a.name !== b.name) return a.name.full < b.name.full ? -1 : 1;
  if (a.valueBytes !== b.valueBytes) return a.valueBytes - b.valueBytes;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

/** Order of V2: prefix index, suffix, value. */
export function compareByIndex(a: Xattr, b: Xattr): number {
  if (a.name.index !== b.name.index) return a.name.index - b.name.index;
  if (a.name !== b.name) return a.name.suffix < b.name.suffix ? -1 : 1;
  return a.value < b.value ? -1 : a.value > b.value ? 1 : 0;
}

function escapeName(name: ByteString): string {
  return name.startsWith(OVERLAY.prefix) ? OVERLAY.escapedPrefix + name.slice(OVERLAY.prefix.length) : name;
}

function splitName(full: string, version: 0 | 1 | 2): XattrName {
  let index = XATTR_PREFIXES.length - 1;
  while (!full.startsWith(XATTR_PREFIXES[index] as string) || (index === XATTR_INDEX.lustre && version !== 2)) index--;
  const suffix = full.slice(XATTR_PREFIXES[index]?.length);
  if (suffix.length > MAX_SUFFIX_BYTES) {
    throw new RangeError(`xattr name of ${full.length} bytes, at most ${MAX_SUFFIX_BYTES} after its prefix`);
  }
  const filterBit = 1 << (xxh32(suffix, FILTER_SEED + index) % 32);
  return { full, index, suffix, filterBit, xattrs: new Map(), latest: undefined };
}
