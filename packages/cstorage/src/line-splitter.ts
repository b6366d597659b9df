import { CstorageError } from "./errors.ts";

const NEWLINE = 0x0a;
/** Longest line accepted, in bytes; containers-storage.md §3.1. */
export const MAX_LINE_BYTES: number = 16 * 1024 * 1024;

/** Cuts chunks of bytes into lines; a line may cross any number of chunks. */
export class LineSplitter {
  #carry: Buffer[] = [];
  #carryBytes = 0;

  /**
   * Hands every line that `chunk` completes to `take`, without its newline. A line is valid until `take` returns.
   *
   * @throws CstorageError `TAR_SPLIT_CORRUPT` a line above {@link MAX_LINE_BYTES}
   */
  push(chunk: Buffer, take: (line: Buffer) => void): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end < 0) break;
      const piece = chunk.subarray(start, end);
      start = end + 1;
      checkLength(this.#carryBytes + piece.length);
      take(this.#carryBytes === 0 ? piece : this.#join(piece));
    }
    if (start < chunk.length) {
      this.#carry.push(start === 0 ? chunk : chunk.subarray(start));
      this.#carryBytes += chunk.length - start;
      checkLength(this.#carryBytes);
    }
  }

  /** Hands over what stands after the last newline, if anything. */
  finish(take: (line: Buffer) => void): void {
    if (this.#carryBytes > 0) take(this.#join(Buffer.alloc(0)));
  }

  #join(last: Buffer): Buffer {
    this.#carry.push(last);
    const line = Buffer.concat(this.#carry, this.#carryBytes + last.length);
    this.#carry = [];
    this.#carryBytes = 0;
    return line;
  }
}

function checkLength(bytes: number): void {
  if (bytes > MAX_LINE_BYTES) {
    throw new CstorageError("TAR_SPLIT_CORRUPT", `tar-split: line longer than ${MAX_LINE_BYTES} bytes`, {
      details: { limit: MAX_LINE_BYTES },
    });
  }
}
