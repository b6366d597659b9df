import { byteSet } from "./byte-set.ts";
import type { Pattern, Place } from "./pattern.ts";
import { OP, Program } from "./program.ts";
import type { WorkLimit } from "./work-limit.ts";

const WORD = byteSet((byte) => /\w/.test(String.fromCharCode(byte)));
const ANYWHERE = -1;

/**
 * A single pattern with look-around or word boundaries, for which {@link Automaton} has no place. All ways through it are
 * followed side by side, and what a look finds at a place is remembered, so that the work is bounded here too.
 */
export class LookMatcher {
  readonly #program = new Program();
  readonly #entry: number;
  readonly #limit: WorkLimit;
  #text = "";
  #found = new Map<number, boolean>();

  /** @throws PatternError the pattern is too large */
  constructor(pattern: Pattern, limit: WorkLimit) {
    this.#entry = this.#program.add(pattern, 0);
    this.#limit = limit;
  }

  /** Whether the pattern takes the whole of `text`, a byte string. @throws ComposefsError `SELINUX_UNSUPPORTED` */
  match(text: string): boolean {
    this.#text = text;
    this.#found = new Map();
    return this.#run(this.#entry, 0, text.length);
  }

  /** Whether a match that begins at `from` ends at `end`, or `ANYWHERE`. */
  #run(entry: number, from: number, end: number): boolean {
    const { op, arg, next, sets } = this.#program;
    let current = [entry];
    for (let position = from; current.length > 0; position++) {
      const members = this.#closure(current, position);
      if ((end === ANYWHERE || end === position) && members.some((at) => op[at] === OP.match)) return true;
      if (position === (end === ANYWHERE ? this.#text.length : end)) return false;
      const byte = this.#text.charCodeAt(position);
      current = [];
      for (const at of members) {
        if (op[at] === OP.bytes && sets[arg[at] as number]?.[byte] === 1) current.push(next[at] as number);
      }
    }
    return false;
  }

  #closure(entries: readonly number[], position: number): number[] {
    const { op, arg, next, places } = this.#program;
    const seen = new Set<number>();
    const stack = [...entries];
    const members: number[] = [];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen.has(at)) continue;
      seen.add(at);
      const to = next[at] as number;
      const value = arg[at] as number;
      if (op[at] === OP.fork) stack.push(value, to);
      else if (op[at] === OP.assert) {
        if (holds(places[value] as Place, this.#text, position)) stack.push(to);
      } else if (op[at] === OP.look) {
        if (this.#look(value, position)) stack.push(to);
      } else members.push(at);
    }
    this.#limit.spend(seen.size + 1);
    return members;
  }

  #look(index: number, position: number): boolean {
    const look = this.#program.looks[index];
    if (look === undefined) return false;
    const key = index * (this.#text.length + 1) + position;
    let found = this.#found.get(key);
    if (found === undefined) {
      found = look.behind ? false : this.#run(look.entry, position, ANYWHERE);
      for (let width = look.min; look.behind && !found && width <= Math.min(look.max, position); width++) {
        found = this.#run(look.entry, position - width, position);
      }
      this.#found.set(key, found);
    }
    return found !== look.negative;
  }
}

function holds(place: Place, text: string, position: number): boolean {
  const before = position > 0 && WORD[text.charCodeAt(position - 1)] === 1;
  const after = position < text.length && WORD[text.charCodeAt(position)] === 1;
  switch (place) {
    case "start":
      return position === 0;
    case "end":
      return position === text.length;
    case "line-start":
      return position === 0 || text[position - 1] === "\n";
    case "line-end":
      return position === text.length || text[position] === "\n";
    case "word-edge":
      return before !== after;
    case "no-word-edge":
      return before === after;
    case "word-start":
      return !before && after;
    case "word-end":
      return before && !after;
    case "word-start-half":
      return !before;
    case "word-end-half":
      return !after;
  }
}
