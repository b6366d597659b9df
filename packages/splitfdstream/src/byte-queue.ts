const EMPTY = new Uint8Array(0);
const FIRST_CAPACITY = 4096;

/**
 * Gives bytes out in wanted lengths, whatever the lengths they came in. What lies in one piece is given out as a view of
 * it; what was cut is joined in a buffer that grows with the bytes that came, never by the length wanted alone.
 */
export class ByteQueue {
  #piece: Uint8Array = EMPTY;
  #held: Uint8Array = EMPTY;
  #heldLength = 0;

  /** Bytes taken in and not yet given out. */
  get length(): number {
    return this.#heldLength + this.#piece.length;
  }

  /** Adds bytes. They are read until a {@link take} gives null; from then on they are the caller's again. */
  push(piece: Uint8Array): void {
    if (this.#piece.length === 0) {
      this.#piece = piece;
      return;
    }
    const joined = new Uint8Array(this.#piece.length + piece.length);
    joined.set(this.#piece);
    joined.set(piece, this.#piece.length);
    this.#piece = joined;
  }

  /** The next `length` bytes, or null when they are not all there: then the next call must want as many. */
  take(length: number): Uint8Array | null {
    const piece = this.#piece;
    if (this.#heldLength === 0 && piece.length >= length) {
      this.#piece = piece.subarray(length);
      return piece.subarray(0, length);
    }
    const taken = Math.min(length - this.#heldLength, piece.length);
    this.#hold(piece.subarray(0, taken), length);
    this.#piece = piece.subarray(taken);
    if (this.#heldLength < length) {
      return null;
    }
    const result = this.#held.subarray(0, length);
    this.#held = EMPTY;
    this.#heldLength = 0;
    return result;
  }

  #hold(bytes: Uint8Array, wanted: number): void {
    const length = this.#heldLength + bytes.length;
    if (length > this.#held.length) {
      const grown = new Uint8Array(Math.min(wanted, Math.max(length, this.#held.length * 2, FIRST_CAPACITY)));
      grown.set(this.#held.subarray(0, this.#heldLength));
      this.#held = grown;
    }
    this.#held.set(bytes, this.#heldLength);
    this.#heldLength = length;
  }
}
