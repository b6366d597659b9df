import { TarHeaderError } from "./errors.ts";

/** One record of a PAX extended header; subarrays of the data it was read from. */
export interface PaxRecord {
  /** Valid UTF-8. */
  readonly key: Uint8Array;
  /** Raw bytes: binary extended attributes are legal. */
  readonly value: Uint8Array;
}

const SPACE = 0x20;
const LF = 0x0a;
const EQUALS = 0x3d;
const strictUtf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Records of PAX data, in order: decimal length of the whole record, space, `key=value`, LF. Where the length is no
 * number reading ends without an error (NUL padding, for one; oci.md §2.4).
 *
 * @throws TarHeaderError `TAR_MALFORMED`: length out of bounds, no `=` or LF, or a key that is not UTF-8;
 *   `details.recordOffset` counts from the start of the data
 */
export function parsePaxRecords(data: Uint8Array): PaxRecord[] {
  const records: PaxRecord[] = [];
  let start = 0;
  while (start < data.length) {
    let space = start;
    let length = 0;
    while (space < data.length && data[space] !== SPACE) {
      const digit = (data[space] as number) - 0x30;
      if (digit < 0 || digit > 9) {
        return records;
      }
      length = length * 10 + digit;
      space++;
    }
    if (space === start) {
      return records;
    }
    const end = start + length;
    if (end > data.length || end < space + 2 || data[end - 1] !== LF) {
      throw malformed(start, `length ${length} does not lead to a line feed within ${data.length - start} bytes`);
    }
    const equals = data.indexOf(EQUALS, space + 1);
    if (equals < 0 || equals >= end) {
      throw malformed(start, "no '=' between key and value");
    }
    const key = data.subarray(space + 1, equals);
    checkUtf8(key, start);
    records.push({ key, value: data.subarray(equals + 1, end - 1) });
    start = end;
  }
  return records;
}

function checkUtf8(key: Uint8Array, recordOffset: number): void {
  for (let i = 0; i < key.length; i++) {
    if ((key[i] as number) >= 0x80) {
      try {
        strictUtf8.decode(key);
      } catch (cause) {
        throw malformed(recordOffset, "key is not UTF-8", cause);
      }
      return;
    }
  }
}

function malformed(recordOffset: number, what: string, cause?: unknown): TarHeaderError {
  return new TarHeaderError("TAR_MALFORMED", `PAX record at byte ${recordOffset} of the extended header: ${what}`, {
    details: { recordOffset },
    cause,
  });
}
