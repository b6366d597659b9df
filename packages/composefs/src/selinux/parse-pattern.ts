import { byteSet, complement, singleByte } from "./byte-set.ts";
import { MAX_NESTING, parseClass } from "./parse-class.ts";
import { parseEscape } from "./parse-escape.ts";
import { EMPTY, MAX_PATTERN_CHARS, type Pattern, PatternError, type Place } from "./pattern.ts";
import { type Dialect, type Flags, literalByte, PatternCursor } from "./pattern-cursor.ts";

const PLACES: Readonly<Record<string, Place>> = {
  A: "start",
  z: "end",
  b: "word-edge",
  B: "no-word-edge",
  "<": "word-start",
  ">": "word-end",
};
const WORD_PLACES: Readonly<Record<string, Place>> = {
  start: "word-start",
  end: "word-end",
  "start-half": "word-start-half",
  "end-half": "word-end-half",
};
const ANY = byteSet(() => true);
// What the two engines take `.` for: nothing is said to either, and a path has no NUL.
const DOT = { plain: complement(singleByte(0)), pcre: complement(singleByte(0x0a)) };

/**
 * Parses a regular expression of a policy: as the reference's own engine does or, when that refuses it, as PCRE2 does,
 * both without Unicode. Of PCRE2's constructs, look-around is taken; what no automaton can do, such as back references
 * and atomic groups, is refused.
 *
 * @throws PatternError
 * @see oci.md §6.1
 */
export function parsePattern(text: string): Pattern {
  if (text.length > MAX_PATTERN_CHARS) throw new PatternError(`it has more than ${MAX_PATTERN_CHARS} characters`, true);
  try {
    return parseAs(text, "plain");
  } catch (error) {
    if (!(error instanceof PatternError) || error.unsupported) throw error;
    return parseAs(text, "pcre");
  }
}

function parseAs(text: string, dialect: Dialect): Pattern {
  const parser = new Parser(new PatternCursor(text, dialect));
  return parser.parse();
}

class Parser {
  readonly #cursor: PatternCursor;
  readonly #names = new Set<string>();
  #depth = 0;
  /** Quantifiers of quantified items: `a**`. */
  #chained = 0;

  constructor(cursor: PatternCursor) {
    this.#cursor = cursor;
  }

  parse(): Pattern {
    const pattern = this.#choice({ i: false, m: false, s: false });
    if (this.#cursor.peek() !== "") throw this.#cursor.error("')' without '('");
    return pattern;
  }

  /** Alternatives up to a `)` or the end. Flags set in one hold in those after it as well. */
  #choice(outer: Flags): Pattern {
    let flags = outer;
    const alternatives: Pattern[] = [];
    let items: Pattern[] = [];
    for (;;) {
      const char = this.#cursor.peek();
      if (char === "" || char === ")") break;
      if (this.#cursor.take("|")) {
        alternatives.push(sequence(items));
        items = [];
        continue;
      }
      const changed = this.#flagGroup(flags);
      if (changed !== undefined) flags = changed;
      else items.push(...this.#repeated(flags));
    }
    alternatives.push(sequence(items));
    return alternatives.length === 1 ? (alternatives[0] as Pattern) : { kind: "choice", items: alternatives };
  }

  /** An item with what repeats it. */
  #repeated(flags: Flags): Pattern[] {
    const cursor = this.#cursor;
    if (this.#quantifier() !== undefined) throw cursor.error("nothing to repeat");
    const atoms = this.#atom(flags);
    let item = atoms.pop();
    let repeated = false;
    for (let quantifier = this.#quantifier(); quantifier !== undefined; quantifier = this.#quantifier()) {
      if (item === undefined || (cursor.pcre && (repeated || item.kind === "assert"))) {
        throw cursor.error("nothing to repeat");
      }
      if (repeated && ++this.#chained > MAX_NESTING) throw cursor.error("repetitions are nested too deep");
      // The order of preference does not matter to whether a whole path matches, unless nothing may be given back.
      if (!cursor.take("?") && cursor.pcre && cursor.at("+")) throw cursor.unsupported("a possessive quantifier");
      item = { kind: "repeat", item, ...quantifier };
      repeated = true;
    }
    return item === undefined ? atoms : [...atoms, item];
  }

  #quantifier(): { readonly min: number; readonly max: number | null } | undefined {
    const cursor = this.#cursor;
    if (cursor.take("*")) return { min: 0, max: null };
    if (cursor.take("+")) return { min: 1, max: null };
    if (cursor.take("?")) return { min: 0, max: 1 };
    if (!cursor.at("{")) return undefined;
    const start = cursor.position;
    cursor.next("");
    const least = cursor.takeWhile(/[0-9]/, 10);
    const comma = cursor.take(",");
    const most = comma ? cursor.takeWhile(/[0-9]/, 10) : least;
    if (!cursor.take("}") || (least === "" && most === "")) {
      if (!cursor.pcre) throw cursor.error("'{' without a count");
      cursor.position = start;
      return undefined;
    }
    const [min, max] = [Number(least), most === "" ? null : Number(most)];
    if (max !== null && min > max) throw cursor.error("counts out of order");
    if (Math.max(min, max ?? 0) > 65_535) throw cursor.unsupported("a count above 65535");
    return { min, max };
  }

  #atom(flags: Flags): Pattern[] {
    const cursor = this.#cursor;
    const char = cursor.next("an expression");
    switch (char) {
      case ".":
        return [{ kind: "bytes", set: flags.s ? ANY : DOT[cursor.dialect] }];
      case "[":
        return [{ kind: "bytes", set: parseClass(cursor, flags) }];
      case "(":
        return this.#group(flags);
      case "^":
        return [{ kind: "assert", place: flags.m ? "line-start" : "start" }];
      case "$":
        return [{ kind: "assert", place: flags.m ? "line-end" : "end" }];
      case "\\":
        return this.#escape(flags);
      default:
        return [literal(Buffer.from(char, cursor.pcre ? "latin1" : "utf8"), flags)];
    }
  }

  #escape(flags: Flags): Pattern[] {
    const cursor = this.#cursor;
    if (cursor.pcre && cursor.take("E")) return [];
    if (cursor.pcre && cursor.take("Q")) {
      const items: Pattern[] = [];
      while (cursor.peek() !== "" && !cursor.take("\\E")) {
        items.push(literal(Buffer.from(cursor.next(""), "latin1"), flags));
      }
      return items;
    }
    const escaped = parseEscape(cursor);
    if (escaped.kind === "literal") return [literal(escaped.bytes, flags)];
    if (escaped.kind === "class") return [{ kind: "bytes", set: escaped.set }];
    const { letter } = escaped;
    // The text always ends with the character of the type, so that no newline can be the last.
    if (cursor.pcre && letter === "Z") return [{ kind: "assert", place: "end" }];
    if (cursor.pcre && letter === "G") return [{ kind: "assert", place: "start" }];
    const place = PLACES[letter];
    if (place === undefined || (cursor.pcre && /[<>]/.test(letter))) throw cursor.unsupported(`'\\${letter}'`);
    return [{ kind: "assert", place: (letter === "b" ? this.#wordPlace() : undefined) ?? place }];
  }

  /** `{start}` after `\b`; another brace is a count, or an error. */
  #wordPlace(): Place | undefined {
    if (this.#cursor.pcre || !this.#cursor.at("{")) return undefined;
    for (const [name, place] of Object.entries(WORD_PLACES)) if (this.#cursor.take(`{${name}}`)) return place;
    if (/[a-z-]/i.test(this.#cursor.peek(1))) throw this.#cursor.error("no such word boundary");
    return undefined;
  }

  /** `(?i)` or `(?i-s)`, which change the flags for the rest of the group; undefined for anything else. */
  #flagGroup(flags: Flags): Flags | undefined {
    const cursor = this.#cursor;
    const start = cursor.position;
    if (!cursor.take("(?")) return undefined;
    const changed = this.#flags(flags);
    // Without any flag it is empty, which the plain dialect does not take.
    if (changed !== undefined && (cursor.pcre || cursor.position > start + 2) && cursor.take(")")) {
      if (!cursor.pcre && this.#quantifier() !== undefined) throw cursor.error("nothing to repeat");
      return changed;
    }
    cursor.position = start;
    return undefined;
  }

  #flags(flags: Flags): Flags | undefined {
    const cursor = this.#cursor;
    const letters = cursor.takeWhile(/[A-Za-z-]/, 20);
    if (!/^[:)]$/.test(cursor.peek())) return undefined;
    const [on = "", off = "", ...more] = letters.split("-");
    const both = on + off;
    if (more.length > 0) throw cursor.error("two '-' in flags");
    if (!cursor.pcre && (new Set(both).size < both.length || (letters.includes("-") && off === ""))) {
      throw cursor.error("a flag twice, or '-' without one");
    }
    if (!cursor.pcre && /[^imsURux]/.test(both)) throw cursor.error("unknown flag");
    if (/[^imsU]/.test(both)) throw cursor.unsupported(`a flag of '(?${letters}'`);
    const set = (flag: "i" | "m" | "s"): boolean => (on.includes(flag) || flags[flag]) && !off.includes(flag);
    return { i: set("i"), m: set("m"), s: set("s") };
  }

  #group(flags: Flags): Pattern[] {
    const cursor = this.#cursor;
    if (++this.#depth > MAX_NESTING) throw cursor.error("groups are nested too deep");
    const pattern = this.#groupBody(flags);
    this.#depth--;
    return pattern === undefined ? [] : [pattern];
  }

  #groupBody(flags: Flags): Pattern | undefined {
    const cursor = this.#cursor;
    if (cursor.pcre && cursor.at("*") && /[A-Za-z:]/.test(cursor.peek(1))) throw cursor.unsupported("'(*'");
    if (!cursor.take("?")) return this.#closed(flags);
    if (cursor.pcre) {
      if (cursor.take("#")) {
        cursor.takeWhile(/[^)]/);
        cursor.next("')'");
        return undefined;
      }
      for (const [text, behind, negative] of LOOKS) {
        if (cursor.take(text)) return { kind: "look", behind, negative, item: this.#closed(flags) };
      }
    }
    if (cursor.take("P<") || cursor.take("<") || (cursor.pcre && cursor.at("'"))) {
      const end = cursor.pcre && cursor.take("'") ? "'" : ">";
      const name = cursor.takeWhile(/[A-Za-z0-9_.[\]]/);
      const allowed = cursor.pcre ? /^[A-Za-z_]\w*$/ : /^[A-Za-z_][A-Za-z0-9_.[\]]*$/;
      if (!allowed.test(name) || this.#names.has(name) || !cursor.take(end)) throw cursor.error("bad name of a group");
      this.#names.add(name);
      return this.#closed(flags);
    }
    const inner = this.#flags(flags);
    if (inner === undefined || !cursor.take(":")) {
      throw cursor.pcre ? cursor.unsupported("this kind of group") : cursor.error("unknown kind of group");
    }
    return this.#closed(inner);
  }

  #closed(flags: Flags): Pattern {
    const pattern = this.#choice(flags);
    if (!this.#cursor.take(")")) throw this.#cursor.error("')' is missing");
    return pattern;
  }
}

const LOOKS: readonly (readonly [text: string, behind: boolean, negative: boolean])[] = [
  ["<=", true, false],
  ["<!", true, true],
  ["=", false, false],
  ["!", false, true],
];

function literal(bytes: Uint8Array, flags: Flags): Pattern {
  return sequence([...bytes].map((byte) => ({ kind: "bytes", set: literalByte(byte, flags) })));
}

function sequence(items: readonly Pattern[]): Pattern {
  return items.length === 0 ? EMPTY : items.length === 1 ? (items[0] as Pattern) : { kind: "sequence", items };
}
