/** What was read of a body. */
export interface LimitedBody {
  readonly bytes: Buffer;
  /** Whether there was more than the limit. */
  readonly cut: boolean;
}

/** Reads a body whole, or its first `limit` bytes. */
export async function readLimited(body: AsyncIterable<Uint8Array>, limit: number): Promise<LimitedBody> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    pieces.push(piece);
    length += piece.length;
    if (length > limit) break;
  }
  return { bytes: Buffer.concat(pieces).subarray(0, limit), cut: length > limit };
}
