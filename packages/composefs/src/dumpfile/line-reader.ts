import { isUtf8 } from "node:buffer";
import { LIMIT } from "./format.ts";
import { DumpfileLine, dumpfileProblem } from "./line.ts";

const NEWLINE = 0x0a;
/** Bytes turned to text at once: far below the greatest length of a string. */
const BLOCK = 1024 * 1024;
/** Unicode white space and nothing else; `trim` lacks U+0085 and takes U+FEFF. */
const BLANK = /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$/;
const SLASH = 0x2f;

/** Cuts chunks of a dumpfile, at any places, into lines that are not blank (erofs-image.md §8.3, 1). */
export class LineReader {
  readonly #take: (line: DumpfileLine) => void;
  #carry: Buffer[] = [];
  #carryBytes = 0;
  #lines = 0;

  constructor(take: (line: DumpfileLine) => void) {
    this.#take = take;
  }

  /** Lines read so far. */
  get lines(): number {
    return this.#lines;
  }

  /** Takes the next bytes. @throws ComposefsError `DUMPFILE_INVALID` not UTF-8, a line too long, or what `take` throws */
  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let start = 0; start < bytes.length; start += BLOCK) this.#pushBlock(bytes.subarray(start, start + BLOCK));
  }

  /** Takes what stands after the last LF. @throws ComposefsError `DUMPFILE_INVALID` */
  finish(): void {
    if (this.#carryBytes === 0) return;
    const last = this.#join(Buffer.alloc(0));
    if (!isUtf8(last)) throw this.#notUtf8(last);
    this.#line(last.toString("latin1"));
  }

  #pushBlock(block: Buffer): void {
    let start = 0;
    if (this.#carryBytes > 0) {
      const end = block.indexOf(NEWLINE);
      if (end < 0) {
        this.#keep(block);
        return;
      }
      this.#text(this.#join(block.subarray(0, end + 1)));
      start = end + 1;
    }
    const end = block.lastIndexOf(NEWLINE) + 1;
    if (end > start) this.#text(block.subarray(start, end));
    this.#keep(block.subarray(Math.max(start, end)));
  }

  /** Whole lines, each with its LF. */
  #text(bytes: Buffer): void {
    const valid = isUtf8(bytes);
    const text = bytes.toString("latin1");
    for (let start = 0; start < text.length; ) {
      const end = text.indexOf("\n", start);
      const line = text.slice(start, end);
      if (!valid) {
        const lineBytes = bytes.subarray(start, end);
        if (!isUtf8(lineBytes)) throw this.#notUtf8(lineBytes);
      }
      this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
      start = end + 1;
    }
  }

  #line(text: string): void {
    this.#lines += 1;
    if (text.charCodeAt(0) !== SLASH && BLANK.test(Buffer.from(text, "latin1").toString("utf8"))) return;
    this.#take(new DumpfileLine(text, this.#lines));
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#carryBytes += bytes.length;
    if (this.#carryBytes > LIMIT.line) {
      throw dumpfileProblem(`line longer than ${LIMIT.line} bytes`, { line: this.#lines + 1, column: LIMIT.line + 1 });
    }
    // A copy: the caller may use its buffer again.
    this.#carry.push(Buffer.from(bytes));
  }

  #join(last: Buffer): Buffer {
    const joined = Buffer.concat([...this.#carry, last], this.#carryBytes + last.length);
    this.#carry = [];
    this.#carryBytes = 0;
    return joined;
  }

  #notUtf8(line: Buffer): Error {
    return dumpfileProblem("not valid UTF-8", {
      line: this.#lines + 1,
      column: firstInvalid(line) + 1,
      hint: "bytes outside UTF-8 are written as \\xNN",
    });
  }
}

/** Offset of the first byte that belongs to no character. */
function firstInvalid(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0;
    const end = at + (lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4);
    if (!isUtf8(bytes.subarray(at, end))) break;
    at = end;
  }
  return at;
}
