/** Makes one array of a stretch of bytes that chunks may have cut; a stretch that was not cut is not copied. */
export class PieceJoiner {
  #buffer: Uint8Array | null = null;
  #filled = 0;

  /**
   * Adds bytes of a stretch.
   *
   * @param total - length of the stretch, the same until it is complete; taken at once, so it must be bounded
   * @returns the stretch once it is complete, else null
   */
  add(piece: Uint8Array, total: number): Uint8Array | null {
    if (this.#filled === 0 && piece.length === total) {
      return piece;
    }
    this.#buffer ??= new Uint8Array(total);
    this.#buffer.set(piece, this.#filled);
    this.#filled += piece.length;
    if (this.#filled < total) {
      return null;
    }
    const whole = this.#buffer;
    this.#buffer = null;
    this.#filled = 0;
    return whole;
  }
}
