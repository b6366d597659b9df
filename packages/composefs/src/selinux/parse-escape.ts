import { type ByteSet, byteSet, complement, escapedClass, singleByte } from "./byte-set.ts";
import type { PatternCursor } from "./pattern-cursor.ts";

/** What follows a backslash: a character as its bytes (one, but for Unicode), a class, or something else by its letter. */
export type Escape =
  | { readonly kind: "literal"; readonly bytes: Uint8Array }
  | { readonly kind: "class"; readonly set: ByteSet }
  | { readonly kind: "other"; readonly letter: string };

const CONTROLS: Readonly<Record<string, number>> = { a: 7, t: 9, n: 10, f: 12, r: 13 };
const HORIZONTAL = byteSet((byte) => byte === 9 || byte === 0x20 || byte === 0xa0);
const VERTICAL = byteSet((byte) => (byte >= 0x0a && byte <= 0x0d) || byte === 0x85);
const PCRE_CLASSES: Readonly<Record<string, ByteSet>> = {
  h: HORIZONTAL,
  H: complement(HORIZONTAL),
  v: VERTICAL,
  V: complement(VERTICAL),
  N: complement(singleByte(0x0a)),
};

/** Parses an escape whose backslash has been passed. @throws PatternError */
export function parseEscape(cursor: PatternCursor): Escape {
  const letter = cursor.next("an escaped character");
  const control = CONTROLS[letter];
  if (control !== undefined) return literal([control]);
  const named = escapedClass(letter);
  if (named !== undefined) return { kind: "class", set: named };
  return cursor.pcre ? pcreEscape(cursor, letter) : plainEscape(cursor, letter);
}

function plainEscape(cursor: PatternCursor, letter: string): Escape {
  if (letter === "v") return literal([0x0b]);
  if (letter === "x" || letter === "u" || letter === "U") {
    const braced = cursor.take("{");
    const length = letter === "x" ? 2 : letter === "u" ? 4 : 8;
    const digits = cursor.takeWhile(/[0-9A-Fa-f]/, braced ? 9 : length);
    if (braced ? digits === "" || !cursor.take("}") : digits.length < length) throw cursor.error("hex digits expected");
    const value = Number.parseInt(digits, 16);
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) throw cursor.error("no Unicode character");
    // Two bare digits after an x are a byte, everything else a character, of several bytes perhaps.
    return literal(letter === "x" && !braced ? [value] : Buffer.from(String.fromCodePoint(value), "utf8"));
  }
  if (/[<>bBAz]/.test(letter)) return { kind: "other", letter };
  if (/[\x21-\x7e]/.test(letter) && !/[0-9A-Za-z]/.test(letter)) return literal([letter.charCodeAt(0)]);
  throw cursor.error(`unknown escape '\\${letter}'`);
}

function pcreEscape(cursor: PatternCursor, letter: string): Escape {
  const set = PCRE_CLASSES[letter];
  if (letter === "N" && cursor.at("{") && !/[0-9,]/.test(cursor.peek(1))) throw cursor.unsupported("'\\N{'");
  if (set !== undefined) return { kind: "class", set };
  if (!/[0-9A-Za-z]/.test(letter)) return literal([letter.charCodeAt(0)]);
  switch (letter) {
    case "e":
      return literal([0x1b]);
    case "0":
      return literal([Number.parseInt(`0${cursor.takeWhile(/[0-7]/, 2)}`, 8)]);
    case "c": {
      const char = cursor.next("a control character");
      if (!/[\x20-\x7e]/.test(char)) throw cursor.error("ASCII character expected after '\\c'");
      return literal([char.toUpperCase().charCodeAt(0) ^ 0x40]);
    }
    case "o":
    case "x":
      return literal([codePoint(cursor, letter)]);
    default:
      return { kind: "other", letter };
  }
}

function codePoint(cursor: PatternCursor, letter: "o" | "x"): number {
  const [digit, base] = letter === "o" ? [/[0-7]/, 8] : [/[0-9A-Fa-f]/, 16];
  const braced = cursor.take("{");
  const digits = cursor.takeWhile(digit, braced ? 16 : 2);
  if (digits === "" || (letter === "o" && !braced) || (braced && !cursor.take("}"))) {
    throw cursor.error(`digits expected after '\\${letter}'`);
  }
  const value = Number.parseInt(digits, base);
  if (value > 0xff) throw cursor.error(`'\\${letter}{${digits}}' is no byte`);
  return value;
}

function literal(bytes: ArrayLike<number>): Escape {
  return { kind: "literal", bytes: Uint8Array.from(bytes) };
}
