/** Compressed data that is damaged, cut off, or of another kind. */
export class CompressionError extends Error {
  override readonly name = "CompressionError";
  /** Bytes of the compressed data that were taken before the piece at fault. */
  readonly offset: number;

  constructor(message: string, offset: number, cause?: unknown) {
    super(message, { cause });
    this.offset = offset;
  }
}
