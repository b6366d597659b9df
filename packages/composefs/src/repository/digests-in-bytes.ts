import { DIGEST_BYTES, type HashName } from "@composefs/reflink";
import { idLength, type ObjectId } from "../fsverity/object-id.ts";

/**
 * Looks for known digests in bytes of an unknown form: raw, at any offset, or as the text `XX/rest` of an object's path
 * or the plain hexadecimal digits. Garbage collection keeps what a file refers to that it cannot parse
 * (repository.md §5).
 */
export class DigestIndex {
  readonly #hash: HashName;
  readonly #ids: ReadonlySet<string>;
  /** First four bytes of every digest. */
  readonly #starts = new Set<number>();

  constructor(ids: ReadonlySet<ObjectId>, hash: HashName) {
    this.#hash = hash;
    this.#ids = ids;
    for (const id of ids) this.#starts.add(Number.parseInt(id.slice(0, 8), 16));
  }

  /** Those of the ids that occur in `bytes`, each once, in order of first occurrence. */
  find(bytes: Buffer): ObjectId[] {
    const found = new Set<string>();
    const width = DIGEST_BYTES[this.#hash];
    for (let at = 0; at + width <= bytes.length; at++) {
      if (this.#starts.has(bytes.readUInt32BE(at))) this.#check(bytes.toString("hex", at, at + width), found);
    }
    const digits = idLength(this.#hash);
    const text = bytes.toString("latin1");
    const split = new RegExp(`(?=([0-9a-f]{2})/([0-9a-f]{${digits - 2}}))`, "g");
    for (const [, first, rest] of text.matchAll(split)) this.#check(`${first}${rest}`, found);
    const plain = new RegExp(`(?=([0-9a-f]{${digits}}))`, "g");
    for (const [, id] of text.matchAll(plain)) this.#check(id as string, found);
    return [...found] as ObjectId[];
  }

  #check(id: string, found: Set<string>): void {
    if (this.#ids.has(id)) found.add(id);
  }
}
