import { DIGEST_BYTES, type HashName } from "@composefs/reflink";

/** A set of many digests, which takes little more memory than they do. */
export class DigestSet {
  readonly #digests: Buffer;
  /** Bytes of a digest. */
  readonly width: number;
  /** First four bytes of each digest as a number: nearly all comparisons need no more. */
  readonly #starts: Uint32Array;

  /** @param digests raw, one after the other, ascending; not to be changed afterwards */
  constructor(digests: Buffer, hash: HashName) {
    this.#digests = digests;
    this.width = DIGEST_BYTES[hash];
    this.#starts = new Uint32Array(digests.length / this.width);
    for (let i = 0; i < this.#starts.length; i++) this.#starts[i] = digests.readUInt32BE(i * this.width);
  }

  /** Whether the digest that stands in `bytes` at `at` is one of them. */
  has(bytes: Buffer, at = 0): boolean {
    const start = bytes.readUInt32BE(at);
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const order = (this.#starts[middle] as number) - start || this.#compare(middle, bytes, at);
      if (order === 0) return true;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return false;
  }

  #compare(i: number, bytes: Buffer, at: number): number {
    const own = i * this.width;
    return this.#digests.compare(bytes, at, at + this.width, own, own + this.width);
  }
}
