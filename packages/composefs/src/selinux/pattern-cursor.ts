import { type ByteSet, eitherCase, singleByte } from "./byte-set.ts";
import { PatternError } from "./pattern.ts";

/**
 * The two languages a pattern may be in: that of the reference's own engine, which is tried first, and PCRE2's, for what
 * that one refuses (oci.md §6.1). They differ in classes, in `.` and in what is an error.
 */
export type Dialect = "plain" | "pcre";

/** Flags that can be set within a pattern, `(?i)`. */
export interface Flags {
  /** Letters in both cases. */
  readonly i: boolean;
  /** `^` and `$` at lines too. */
  readonly m: boolean;
  /** `.` takes newlines. */
  readonly s: boolean;
}

/** A place in a pattern that is being parsed. In the PCRE dialect characters are bytes, in the other code points. */
export class PatternCursor {
  readonly dialect: Dialect;
  readonly #chars: readonly string[];
  position = 0;

  constructor(text: string, dialect: Dialect) {
    this.dialect = dialect;
    this.#chars = dialect === "pcre" ? [...Buffer.from(text, "utf8").toString("latin1")] : [...text];
  }

  get pcre(): boolean {
    return this.dialect === "pcre";
  }

  /** The character ahead; empty at the end. */
  peek(offset = 0): string {
    return this.#chars[this.position + offset] ?? "";
  }

  /** Whether `text` is ahead. */
  at(text: string): boolean {
    return [...text].every((char, i) => this.peek(i) === char);
  }

  /** Goes past `text` if it is ahead. */
  take(text: string): boolean {
    if (!this.at(text)) return false;
    this.position += [...text].length;
    return true;
  }

  /** The next character, gone past. */
  next(expected: string): string {
    const char = this.peek();
    if (char === "") throw this.error(`it ends where ${expected} should be`);
    this.position++;
    return char;
  }

  /** Goes past the characters that `pattern` takes, at most `most` of them. */
  takeWhile(pattern: RegExp, most: number = Number.POSITIVE_INFINITY): string {
    let text = "";
    while (text.length < most && this.peek() !== "" && pattern.test(this.peek())) text += this.next("");
    return text;
  }

  error(problem: string): PatternError {
    return new PatternError(`${problem} (at character ${this.position + 1})`);
  }

  unsupported(what: string): PatternError {
    return new PatternError(`${what} is not supported (at character ${this.position + 1})`, true);
  }
}

/** The set of a single byte under the flags. */
export function literalByte(byte: number, flags: Flags): ByteSet {
  return flags.i ? eitherCase(byte) : singleByte(byte);
}
