import { crc64 } from "@composefs/reflink";

/**
 * CRC-64 of content that arrives in pieces. A checksum register holding `c` before a piece gives the same result as a
 * fresh one when `c` is xored into the piece's first eight bytes, so the native function for whole buffers serves here.
 */
export class Crc64Stream {
  #crc: Uint8Array | null = null;

  /**
   * Adds a piece of at least 8 bytes; only the first or only piece may be shorter. Its first bytes are changed for the
   * time of the call.
   */
  update(piece: Buffer): void {
    const before = this.#crc;
    if (before === null) {
      this.#crc = crc64(piece);
      return;
    }
    if (piece.length < 8) throw new RangeError(`expected a piece of at least 8 bytes, found ${piece.length}`);
    xorReversed(piece, before);
    this.#crc = crc64(piece);
    xorReversed(piece, before);
  }

  /** The checksum of all pieces so far: 8 bytes, big-endian. */
  digest(): Uint8Array {
    return this.#crc ?? new Uint8Array(8);
  }
}

/** The register meets the data low byte first; the checksum is written high byte first. */
function xorReversed(piece: Buffer, crc: Uint8Array): void {
  for (let i = 0; i < 8; i++) piece[i] = (piece[i] as number) ^ (crc[7 - i] as number);
}
