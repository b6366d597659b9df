/** Large, since each piece is a trip to a thread and back. */
export const PIECE_BYTES: number = 1024 * 1024;

/**
 * Buffers of {@link PIECE_BYTES} that are filled anew once their user gives them back: new memory for each piece costs
 * more than to fill it.
 */
export class PiecePool {
  readonly #free: Uint8Array[] = [];
  readonly #lent = new WeakMap<ArrayBufferLike, Uint8Array>();

  /** A buffer with anything in it. Who never gives it back has it for good. */
  take(): Uint8Array {
    const piece = this.#free.pop() ?? new Uint8Array(PIECE_BYTES);
    this.#lent.set(piece.buffer, piece);
    return piece;
  }

  /** Takes a buffer back by any view of it; views of other memory are let go. */
  give({ buffer }: Uint8Array): void {
    const piece = this.#lent.get(buffer);
    if (piece === undefined) return;
    this.#lent.delete(buffer);
    this.#free.push(piece);
  }
}
