import type { ByteSet } from "./byte-set.ts";
import { MAX_PATTERN_SIZE, type Pattern, PatternError, type Place } from "./pattern.ts";

/** What an instruction does: `arg` is the index of a set, the second way of a fork, a place, a look, a rule. */
export const OP = { bytes: 0, fork: 1, assert: 2, look: 3, match: 4 } as const;

/** A look-around: a part of the program of its own. */
export interface Look {
  readonly entry: number;
  readonly behind: boolean;
  readonly negative: boolean;
  /** Lengths in bytes that a look behind tries. */
  readonly min: number;
  readonly max: number;
}

/** Longest text a look behind may see, in bytes, as in PCRE2. */
const MAX_BEHIND = 255;

/** Instructions of one or many patterns (Thompson's construction). Each goes on at `next`. */
export class Program {
  readonly op: number[] = [];
  readonly arg: number[] = [];
  readonly next: number[] = [];
  readonly sets: ByteSet[] = [];
  readonly places: Place[] = [];
  readonly looks: Look[] = [];
  readonly #setIndex = new Map<ByteSet, number>();
  /** The same by content: classes that are written alike are different objects. */
  readonly #contentIndex = new Map<string, number>();
  #budget = 0;

  /** Adds a pattern that ends in a match of `rule`. Returns where it begins. @throws PatternError it is too large */
  add(pattern: Pattern, rule: number): number {
    this.#budget = MAX_PATTERN_SIZE;
    return this.#compile(pattern, this.#emit(OP.match, rule, -1));
  }

  #emit(op: number, arg: number, next: number): number {
    this.op.push(op);
    this.arg.push(arg);
    return this.next.push(next) - 1;
  }

  /** Back to front: the instructions of `pattern`, which go on at `next`. */
  #compile(pattern: Pattern, next: number): number {
    if (--this.#budget < 0) throw new PatternError(`it takes more than ${MAX_PATTERN_SIZE} steps`, true);
    switch (pattern.kind) {
      case "bytes":
        return this.#emit(OP.bytes, this.#indexOf(pattern.set), next);
      case "sequence":
        return pattern.items.reduceRight((entry, item) => this.#compile(item, entry), next);
      case "choice": {
        const entries = pattern.items.map((item) => this.#compile(item, next));
        return entries.reduceRight((rest, entry) => this.#emit(OP.fork, rest, entry));
      }
      case "repeat":
        return this.#compileRepeat(pattern, next);
      case "assert":
        return this.#emit(OP.assert, this.places.push(pattern.place) - 1, next);
      case "look": {
        const [min, max] = pattern.behind ? widthOf(pattern.item) : [0, 0];
        if (max > MAX_BEHIND) throw new PatternError(`it looks back more than ${MAX_BEHIND} bytes`, true);
        const entry = this.#compile(pattern.item, this.#emit(OP.match, -1, -1));
        const { behind, negative } = pattern;
        return this.#emit(OP.look, this.looks.push({ entry, behind, negative, min, max }) - 1, next);
      }
    }
  }

  #compileRepeat({ item, min, max }: Pattern & { readonly kind: "repeat" }, next: number): number {
    let entry = next;
    if (max === null) {
      entry = this.#emit(OP.fork, next, -1);
      this.next[entry] = this.#compile(item, entry);
    } else {
      for (let i = min; i < max; i++) entry = this.#emit(OP.fork, next, this.#compile(item, entry));
    }
    for (let i = 0; i < min; i++) entry = this.#compile(item, entry);
    return entry;
  }

  #indexOf(set: ByteSet): number {
    const known = this.#setIndex.get(set);
    if (known !== undefined) return known;
    const content = Buffer.from(set.buffer, set.byteOffset, set.length).toString("latin1");
    let index = this.#contentIndex.get(content);
    if (index === undefined) {
      index = this.sets.push(set) - 1;
      this.#setIndex.set(set, index);
      this.#contentIndex.set(content, index);
    }
    return index;
  }
}

/** Whether a pattern needs more of the text than the bytes so far: words, lines, look-around. */
export function looksAround(pattern: Pattern): boolean {
  switch (pattern.kind) {
    case "bytes":
      return false;
    case "assert":
      return pattern.place !== "start" && pattern.place !== "end";
    case "look":
      return true;
    case "repeat":
      return looksAround(pattern.item);
    default:
      return pattern.items.some(looksAround);
  }
}

/** Bytes that every text that matches begins with, as a byte string. */
export function literalPrefix(pattern: Pattern): string {
  const items = pattern.kind === "sequence" ? pattern.items : [pattern];
  let prefix = "";
  for (const item of items) {
    if (item.kind !== "bytes" || item.set.indexOf(1) < 0 || item.set.indexOf(1) !== item.set.lastIndexOf(1)) break;
    prefix += String.fromCharCode(item.set.indexOf(1));
  }
  return prefix;
}

/** Shortest and longest text that a pattern takes, in bytes. */
function widthOf(pattern: Pattern): readonly [min: number, max: number] {
  switch (pattern.kind) {
    case "bytes":
      return [1, 1];
    case "assert":
    case "look":
      return [0, 0];
    case "repeat": {
      const [min, max] = widthOf(pattern.item);
      return [min * pattern.min, max === 0 ? 0 : max * (pattern.max ?? Number.POSITIVE_INFINITY)];
    }
    case "sequence": {
      const widths = pattern.items.map(widthOf);
      return [widths.reduce((sum, [min]) => sum + min, 0), widths.reduce((sum, [, max]) => sum + max, 0)];
    }
    case "choice": {
      const widths = pattern.items.map(widthOf);
      return [Math.min(...widths.map(([min]) => min)), Math.max(...widths.map(([, max]) => max))];
    }
  }
}
