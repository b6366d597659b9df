import { DIGEST_BYTES, type HashName } from "@composefs/reflink";
import { idLength, type ObjectId } from "../fsverity/object-id.ts";
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

const SLASH = 0x2f;
const DIGITS = Buffer.from("0123456789abcdef");

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
    // Nearly all of them are these two.
    if (name === OVERLAY.metacopy) {
      parted.metacopy = value;
    } else if (name === OVERLAY.redirect) {
      parted.redirect = value;
    } else if (MARKS.has(name)) {
      if (name === WHITEOUT) parted.isWhiteout = true;
    } else if (name.startsWith(OVERLAY.escapedPrefix)) {
      parted.own.set((OVERLAY.prefix + name.slice(OVERLAY.escapedPrefix.length)) as ByteString, value);
    } else if (!name.startsWith(OVERLAY.prefix)) {
      parted.own.set(name, value);
    }
  }
  return parted;
}

/** The digest in a metacopy value, or undefined if it is not one of that hash. */
export function metacopyDigest(value: Buffer, hash: HashName): Buffer | undefined {
  const header = METACOPY_HEADERS[hash];
  if (value.length !== header.length + DIGEST_BYTES[hash]) return undefined;
  for (let at = 0; at < header.length; at++) if (value[at] !== header[at]) return undefined;
  return value.subarray(header.length);
}

/** The id at the end of a redirect, whatever stands before it, or undefined if there is none. */
export function redirectId(value: Buffer, hash: HashName): ObjectId | undefined {
  const length = idLength(hash) + 1;
  if (value.length < length) return undefined;
  const text = value.toString("latin1", value.length - length);
  if (!/^[0-9a-f]{2}\/[0-9a-f]+$/i.test(text)) return undefined;
  return text.replace("/", "").toLowerCase() as ObjectId;
}

/** Whether a redirect ends in the path of the object of this digest, as it does in a sound image. */
export function endsInPathOf(value: Buffer, digest: Buffer): boolean {
  let at = value.length - 2 * digest.length - 1;
  if (at < 0 || value[at + 2] !== SLASH) return false;
  for (let i = 0; i < digest.length; i++) {
    const byte = digest[i] as number;
    if (value[at] !== DIGITS[byte >> 4] || value[at + 1] !== DIGITS[byte & 15]) return false;
    at += i === 0 ? 3 : 2;
  }
  return true;
}
