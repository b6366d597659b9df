import { DIGEST_BYTES, type HashName } from "@composefs/reflink";
import { idLength, type ObjectId, objectIdFromBytes, objectPath } from "../fsverity/object-id.ts";
import type { ByteString } from "../tree/node.ts";
import { OVERLAY } from "./overlay.ts";
import type { StoredXattr } from "./read-xattrs.ts";
import { metacopyHeader } from "./xattr-pool.ts";

/** The xattrs of an inode, parted. */
export interface PartedXattrs {
  /** What the tree has, names unescaped. */
  readonly own: Map<ByteString, Uint8Array>;
  /** Value of `trusted.overlay.metacopy`. */
  metacopy: Buffer | undefined;
  /** Value of `trusted.overlay.redirect`. */
  redirect: Buffer | undefined;
  /** Whether it is marked as escaped whiteout. */
  isWhiteout: boolean;
}

const METACOPY_HEADERS = { sha256: metacopyHeader("sha256"), sha512: metacopyHeader("sha512") } as const;
const WHITEOUT = `${OVERLAY.escapedPrefix}whiteout`;

/** Escaped or ours: never the tree's (erofs-image.md §9.3). */
const MARKS: ReadonlySet<string> = new Set([
  WHITEOUT,
  `${OVERLAY.escapedPrefix}whiteouts`,
  `${OVERLAY.escapedPrefix}opaque`,
  "user.overlay.whiteout",
  "user.overlay.whiteouts",
  "user.overlay.opaque",
]);

/** Takes what belongs to overlayfs out of an inode's xattrs, and undoes the escape of the rest. */
export function partXattrs(list: readonly StoredXattr[]): PartedXattrs {
  const parted: PartedXattrs = { own: new Map(), metacopy: undefined, redirect: undefined, isWhiteout: false };
  for (const { name, value } of list) {
    if (MARKS.has(name)) {
      if (name === WHITEOUT) parted.isWhiteout = true;
    } else if (name.startsWith(OVERLAY.escapedPrefix)) {
      parted.own.set((OVERLAY.prefix + name.slice(OVERLAY.escapedPrefix.length)) as ByteString, value);
    } else if (!name.startsWith(OVERLAY.prefix)) {
      parted.own.set(name, value);
    } else if (name === OVERLAY.metacopy) {
      parted.metacopy = value;
    } else if (name === OVERLAY.redirect) {
      parted.redirect = value;
    }
  }
  return parted;
}

/** The id in a metacopy value, or undefined if it is not one of that hash. */
export function metacopyId(value: Uint8Array, hash: HashName): ObjectId | undefined {
  const header = METACOPY_HEADERS[hash];
  if (value.length !== header.length + DIGEST_BYTES[hash]) return undefined;
  for (let at = 0; at < header.length; at++) if (value[at] !== header[at]) return undefined;
  return objectIdFromBytes(value, header.length);
}

/**
 * The id at the end of a redirect, whatever stands before it, or undefined if there is none.
 *
 * @param likely the id that it is in a sound image, which saves looking at each digit
 */
export function redirectId(value: Buffer, hash: HashName, likely?: ObjectId): ObjectId | undefined {
  const length = idLength(hash) + 1;
  if (value.length < length) return undefined;
  const text = value.toString("latin1", value.length - length);
  if (likely !== undefined && text === objectPath(likely)) return likely;
  if (!/^[0-9a-f]{2}\/[0-9a-f]+$/i.test(text)) return undefined;
  return text.replace("/", "").toLowerCase() as ObjectId;
}
