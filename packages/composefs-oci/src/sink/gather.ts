/** Pieces are joined up to about so many bytes. */
const GATHER_BYTES = 1024 * 1024;

/** The same bytes in fewer, larger pieces: a layer comes as a header here and a small file there. */
export async function* gather(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of content) {
    pieces.push(piece);
    length += piece.length;
    if (length < GATHER_BYTES) continue;
    yield Buffer.concat(pieces, length);
    pieces = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(pieces, length);
}
