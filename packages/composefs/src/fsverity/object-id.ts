import { DIGEST_BYTES, type HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";

/** fs-verity digest of an object in lower-case hexadecimal: 64 digits (sha256) or 128 (sha512). */
export type ObjectId = string & { readonly __objectId: unique symbol };

/** Digits of an id. */
export function idLength(hash: HashName): number {
  return DIGEST_BYTES[hash] * 2;
}

/** True when `text` has the form of an id of `hash`. */
export function isObjectId(text: string, hash: HashName): text is ObjectId {
  return text.length === idLength(hash) && /^[0-9a-f]+$/.test(text);
}

/** Checks and brands an id. @throws ComposefsError `DIGEST_INVALID` */
export function parseObjectId(text: string, hash: HashName): ObjectId {
  if (isObjectId(text, hash)) return text;
  throw new ComposefsError(
    "DIGEST_INVALID",
    `'${text}' is not a ${hash} object id: expected ${idLength(hash)} lower-case hexadecimal digits`,
    { details: { text, hash } },
  );
}

/** Id from raw digest bytes, `start` into `bytes`, to their end. */
export function objectIdFromBytes(bytes: Uint8Array, start = 0): ObjectId {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("hex", start) as ObjectId;
}

/** Ids from raw digests, one after the other. */
export function* objectIds(digests: Buffer, hash: HashName): Generator<ObjectId> {
  const width = DIGEST_BYTES[hash];
  for (let at = 0; at < digests.length; at += width) yield digests.toString("hex", at, at + width) as ObjectId;
}

/** Path of an object beneath `objects/`: `XX/rest`. */
export function objectPath(id: ObjectId): string {
  return `${id.slice(0, 2)}/${id.slice(2)}`;
}
