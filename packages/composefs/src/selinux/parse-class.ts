import { type ByteSet, byteRange, byteSet, complement, posixClass, withBothCases } from "./byte-set.ts";
import { parseEscape } from "./parse-escape.ts";
import { type Flags, literalByte, type PatternCursor } from "./pattern-cursor.ts";

/** Deepest nesting of classes and of groups, as in both engines of the reference. */
export const MAX_NESTING = 250;

/** One member of a class: a byte, which may begin a range, or a set. */
type Item = number | ByteSet;

/** Parses a class whose `[` has been passed. @throws PatternError */
export function parseClass(cursor: PatternCursor, flags: Flags): ByteSet {
  return cursor.pcre ? pcreClass(cursor, flags) : plainClass(cursor, flags, 1);
}

/** `[ab[c-e]&&[^d]]`: classes within classes, with the operators `&&`, `--` and `~~`, all of one rank. */
function plainClass(cursor: PatternCursor, flags: Flags, depth: number): ByteSet {
  if (depth > MAX_NESTING) throw cursor.error("classes are nested too deep");
  const negated = cursor.take("^");
  const members = new Members(flags);
  let left: ByteSet | undefined;
  let operator = "";
  let empty = true;
  const combined = (): ByteSet => (left === undefined ? members.set : combine(left, operator, members.set));
  for (; cursor.take("-"); empty = false) members.add(0x2d);
  if (empty && cursor.take("]")) members.add(0x5d);
  for (;;) {
    const char = cursor.peek();
    if (char === "") throw cursor.error("the class has no ']'");
    if (cursor.take("]")) break;
    if (["&&", "--", "~~"].some((text) => cursor.at(text))) {
      left = combined();
      operator = cursor.next("") + cursor.next("");
      members.clear();
    } else if (char === "[") {
      cursor.next("");
      members.add(plainPosix(cursor) ?? plainClass(cursor, flags, depth + 1));
    } else plainItem(cursor, members);
  }
  return negated ? complement(combined()) : combined();
}

function plainItem(cursor: PatternCursor, members: Members): void {
  const first = plainMember(cursor);
  const next = cursor.peek(1);
  if (cursor.peek() !== "-" || next === "]" || next === "-") members.add(first);
  else {
    cursor.next("");
    members.addRange(cursor, first, plainMember(cursor));
  }
}

function plainMember(cursor: PatternCursor): Item {
  const char = cursor.next("a member of the class");
  if (char !== "\\") return asciiByte(cursor, char);
  const escaped = parseEscape(cursor);
  if (escaped.kind === "class") return escaped.set;
  if (escaped.kind === "other" || escaped.bytes.length !== 1) throw cursor.error("this escape cannot stand in a class");
  return escaped.bytes[0] as number;
}

function asciiByte(cursor: PatternCursor, char: string): number {
  if (char > "\x7f") throw cursor.error("a class has bytes, not Unicode characters");
  return char.charCodeAt(0);
}

/** `:alpha:]` ahead of the cursor; what is no such name is a class within the class. */
function plainPosix(cursor: PatternCursor): ByteSet | undefined {
  const start = cursor.position;
  if (cursor.take(":")) {
    const negated = cursor.take("^");
    const set = posixClass(cursor.takeWhile(/[a-z]/, 8));
    if (set !== undefined && cursor.take(":]")) return negated ? complement(set) : set;
  }
  cursor.position = start;
  return undefined;
}

function pcreClass(cursor: PatternCursor, flags: Flags): ByteSet {
  const negated = cursor.take("^");
  const members = new Members(flags);
  for (let first = true; first || !cursor.take("]"); first = false) {
    const item = pcreMember(cursor);
    if (item === undefined) continue;
    if (cursor.peek() === "-" && cursor.peek(1) !== "]") {
      cursor.next("");
      const last = pcreMember(cursor);
      if (last === undefined) throw cursor.unsupported("'\\Q' or '\\E' in a range");
      members.addRange(cursor, item, last);
    } else members.add(item);
  }
  return negated ? complement(members.set) : members.set;
}

function pcreMember(cursor: PatternCursor): Item | undefined {
  const char = cursor.next("']'");
  if (char === "[" && /[:.=]/.test(cursor.peek())) return pcrePosix(cursor);
  if (char !== "\\") return char.charCodeAt(0);
  if (cursor.take("E")) return undefined;
  if (cursor.at("Q") || cursor.at("N") || cursor.at("R")) throw cursor.unsupported("this escape in a class");
  if (cursor.take("b")) return 0x08;
  const escaped = parseEscape(cursor);
  if (escaped.kind === "class") return escaped.set;
  if (escaped.kind === "literal") return escaped.bytes[0] as number;
  throw cursor.unsupported(`'\\${escaped.letter}' in a class`);
}

function pcrePosix(cursor: PatternCursor): Item {
  const start = cursor.position;
  const kind = cursor.next("");
  const negated = cursor.take("^");
  const name = cursor.takeWhile(/[^\\\]:.=]/, 32);
  if (!cursor.take(`${kind}]`)) {
    cursor.position = start;
    return 0x5b;
  }
  const set = kind === ":" ? posixClass(name) : undefined;
  if (set === undefined) throw cursor.unsupported(`the class name '[${kind}${name}${kind}]'`);
  return negated ? complement(set) : set;
}

/** The members of a class so far. */
class Members {
  readonly #flags: Flags;
  set: ByteSet = byteSet(() => false);

  constructor(flags: Flags) {
    this.#flags = flags;
  }

  clear(): void {
    this.set = byteSet(() => false);
  }

  add(item: Item): void {
    const added = typeof item === "number" ? literalByte(item, this.#flags) : item;
    const folded = this.#flags.i ? withBothCases(added) : added;
    this.set = combine(this.set, "||", folded);
  }

  addRange(cursor: PatternCursor, first: Item, last: Item): void {
    if (typeof first !== "number" || typeof last !== "number") throw cursor.error("a range goes from byte to byte");
    if (first > last) throw cursor.error("a range goes upwards");
    this.add(byteRange(first, last));
  }
}

function combine(a: ByteSet, operator: string, b: ByteSet): ByteSet {
  const has = (left: boolean, right: boolean): boolean => {
    switch (operator) {
      case "&&":
        return left && right;
      case "--":
        return left && !right;
      case "~~":
        return left !== right;
      default:
        return left || right;
    }
  };
  return byteSet((byte) => has(a[byte] === 1, b[byte] === 1));
}
