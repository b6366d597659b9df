/** A set of bytes: one entry per byte, 1 when it is in the set. */
export type ByteSet = Uint8Array;

/** A set of the bytes that `has` takes. */
export function byteSet(has: (byte: number) => boolean): ByteSet {
  const set = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) if (has(byte)) set[byte] = 1;
  return set;
}

/** The set of one byte; always the same object, since policies are made of such sets by the ten thousands. */
export function singleByte(byte: number): ByteSet {
  return SINGLE[byte] as ByteSet;
}

/** The set of one byte and, if it is an ASCII letter, its other case; always the same object. */
export function eitherCase(byte: number): ByteSet {
  return EITHER_CASE[byte] as ByteSet;
}

/** The set of the bytes from `first` to `last`. */
export function byteRange(first: number, last: number): ByteSet {
  return byteSet((byte) => byte >= first && byte <= last);
}

/** All bytes that are not in a set. */
export function complement(set: ByteSet): ByteSet {
  return set.map((bit) => 1 - bit);
}

/** A set with both cases of every ASCII letter that it has in one; other bytes have no case. */
export function withBothCases(set: ByteSet): ByteSet {
  return byteSet((byte) => set[byte] === 1 || (isLetter(byte) && set[byte ^ 0x20] === 1));
}

/** A class that is called by a letter after a backslash, such as `d`; undefined when there is none. */
export function escapedClass(letter: string): ByteSet | undefined {
  const set = LETTER_CLASSES[letter.toLowerCase()];
  return set === undefined || letter === letter.toLowerCase() ? set : complement(set);
}

/** A class by its POSIX name, such as `alpha`; undefined when there is none. */
export function posixClass(name: string): ByteSet | undefined {
  return Object.hasOwn(POSIX_CLASSES, name) ? POSIX_CLASSES[name] : undefined;
}

const SINGLE = Array.from({ length: 256 }, (_, byte) => byteSet((other) => other === byte));
const EITHER_CASE = SINGLE.map(withBothCases);

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

function fromText(pattern: RegExp): ByteSet {
  return byteSet((byte) => pattern.test(String.fromCharCode(byte)));
}

// ASCII alone, as in both regex engines of the reference without Unicode.
const SPACE = fromText(/[\t\n\v\f\r ]/);
const WORD = fromText(/[0-9A-Za-z_]/);
const DIGIT = fromText(/[0-9]/);

const LETTER_CLASSES: Readonly<Record<string, ByteSet>> = {
  d: DIGIT,
  s: SPACE,
  w: WORD,
};

const POSIX_CLASSES: Readonly<Record<string, ByteSet>> = {
  alnum: fromText(/[0-9A-Za-z]/),
  alpha: fromText(/[A-Za-z]/),
  ascii: byteRange(0, 0x7f),
  blank: fromText(/[\t ]/),
  cntrl: byteSet((byte) => byte < 0x20 || byte === 0x7f),
  digit: DIGIT,
  graph: byteRange(0x21, 0x7e),
  lower: fromText(/[a-z]/),
  print: byteRange(0x20, 0x7e),
  punct: byteSet((byte) => byte > 0x20 && byte < 0x7f && !/[0-9A-Za-z]/.test(String.fromCharCode(byte))),
  space: SPACE,
  upper: fromText(/[A-Z]/),
  word: WORD,
  xdigit: fromText(/[0-9A-Fa-f]/),
};
