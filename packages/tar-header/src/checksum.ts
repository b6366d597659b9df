import { TarHeaderError } from "./errors.ts";
import { BLOCK_SIZE, CHECKSUM } from "./format.ts";
import { parseNumericField } from "./numeric-field.ts";

/** How the bytes were summed by the writer; old tars on machines with signed `char` give another sum. */
export type ChecksumKind = "unsigned" | "signed";

const SPACE = 0x20;

/** Sum of all 512 bytes as unsigned numbers; 0 exactly for a block of zeros. */
export function sumBlock(block: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < BLOCK_SIZE; i++) {
    sum += block[i] as number;
  }
  return sum;
}

/**
 * Compares the stored checksum with the block, its own field counted as spaces.
 *
 * @param blockSum - {@link sumBlock} of the same block
 * @returns which sum matched, `unsigned` when both do
 * @throws TarHeaderError `INVALID_NUMBER`: the field is no number; `CHECKSUM_MISMATCH`: neither sum matches
 */
export function verifyChecksum(block: Uint8Array, blockSum: number): ChecksumKind {
  const stored = parseNumericField(block, CHECKSUM);
  const end = CHECKSUM.offset + CHECKSUM.length;
  let unsigned = blockSum + CHECKSUM.length * SPACE;
  for (let i = CHECKSUM.offset; i < end; i++) {
    unsigned -= block[i] as number;
  }
  if (stored === unsigned) {
    return "unsigned";
  }
  let high = 0;
  for (let i = 0; i < BLOCK_SIZE; i++) {
    if ((block[i] as number) >= 0x80 && (i < CHECKSUM.offset || i >= end)) {
      high++;
    }
  }
  if (stored === unsigned - 256 * high) {
    return "signed";
  }
  throw new TarHeaderError(
    "CHECKSUM_MISMATCH",
    `header checksum: expected ${unsigned} by its bytes, stored ${stored}`,
    {
      details: { stored, computed: unsigned },
    },
  );
}
