import { OP, type Program } from "./program.ts";
import type { WorkLimit } from "./work-limit.ts";

/** Entries of the transition table (4 bytes each), and instructions in all states, that are kept at most. */
const MAX_TABLE = 8 * 2 ** 20;
const MAX_MEMBERS = 8 * 2 ** 20;
const UNKNOWN = -1;

/**
 * All patterns at once as one automaton whose states are made when a text first gets there. A text costs a step per byte,
 * however many patterns there are; backtracking, and with it patterns that take for ever, is impossible. States are
 * thrown away when there are too many.
 */
export class Automaton {
  readonly #program: Program;
  readonly #limit: WorkLimit;
  /** Class of each byte: bytes that no pattern tells apart are one. */
  readonly #classOf: Uint8Array;
  readonly #classes: number;
  /** A byte of each class. */
  readonly #sample: readonly number[];
  readonly #marks: Uint32Array;
  readonly #start: Int32Array;
  #generation = 0;
  #table = new Int32Array(0);
  /** Instructions of each state that take a byte or match, ascending. */
  #states: Int32Array[] = [];
  #ids = new Map<string, number>();
  #members = 0;

  constructor(program: Program, entries: readonly number[], limit: WorkLimit) {
    this.#program = program;
    this.#limit = limit;
    [this.#classOf, this.#sample] = byteClasses(program);
    this.#classes = this.#sample.length;
    this.#marks = new Uint32Array(program.op.length);
    this.#start = this.#closure(entries, true);
  }

  /** The rules whose patterns take the whole of `text`, a byte string, ascending. @throws ComposefsError `SELINUX_UNSUPPORTED` */
  match(text: string): number[] {
    let state = this.#idOf(this.#start);
    for (let i = 0; i < text.length; i++) {
      const byteClass = this.#classOf[text.charCodeAt(i)] as number;
      let next = this.#table[state * this.#classes + byteClass] as number;
      if (next === UNKNOWN) next = this.#step(state, byteClass);
      state = next;
    }
    const { op, arg } = this.#program;
    const members = this.#states[state] as Int32Array;
    const rules: number[] = [];
    for (const at of members) if (op[at] === OP.match) rules.push(arg[at] as number);
    return rules.sort((a, b) => a - b);
  }

  #step(state: number, byteClass: number): number {
    const { op, arg, next, sets } = this.#program;
    const byte = this.#sample[byteClass] as number;
    const members = this.#states[state] as Int32Array;
    this.#limit.spend(members.length);
    const entries: number[] = [];
    for (const at of members) {
      if (op[at] === OP.bytes && sets[arg[at] as number]?.[byte] === 1) entries.push(next[at] as number);
    }
    const before = this.#states;
    const id = this.#idOf(this.#closure(entries, false));
    // When everything was thrown away, the old state's number means nothing any more.
    if (before === this.#states) this.#table[state * this.#classes + byteClass] = id;
    return id;
  }

  /** The instructions that take a byte or match and can be reached from others without one. */
  #closure(entries: readonly number[], atStart: boolean): Int32Array {
    const { op, arg, next, places } = this.#program;
    const generation = ++this.#generation;
    const stack = [...entries];
    const found: number[] = [];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (this.#marks[at] === generation) continue;
      this.#marks[at] = generation;
      switch (op[at]) {
        case OP.fork:
          stack.push(arg[at] as number, next[at] as number);
          break;
        case OP.assert:
          // The end is never here: every pattern goes on with the character of the type.
          if (atStart && places[arg[at] as number] === "start") stack.push(next[at] as number);
          break;
        default:
          found.push(at);
      }
    }
    this.#limit.spend(found.length);
    return Int32Array.from(found).sort();
  }

  #idOf(members: Int32Array): number {
    const key = Buffer.from(members.buffer, members.byteOffset, members.byteLength).toString("latin1");
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if ((this.#states.length + 1) * this.#classes > MAX_TABLE || this.#members + members.length > MAX_MEMBERS) {
      this.#states = [];
      this.#ids = new Map();
      this.#members = 0;
      this.#table.fill(UNKNOWN);
    }
    const id = this.#states.push(members) - 1;
    this.#ids.set(key, id);
    this.#members += members.length;
    if (this.#states.length * this.#classes > this.#table.length) {
      const larger = new Int32Array(Math.max(1024 * this.#classes, this.#table.length * 2)).fill(UNKNOWN);
      larger.set(this.#table);
      this.#table = larger;
    }
    return id;
  }
}

function byteClasses({ sets }: Program): [Uint8Array, number[]] {
  // A column of the sets tells what becomes of a byte; refined set by set, so that no column is ever built.
  const classOf = new Uint8Array(256);
  let count = 1;
  for (const set of sets) {
    if (count === 256) break;
    const split = new Map<number, number>();
    const seen = new Set<number>();
    count = 0;
    for (let byte = 0; byte < 256; byte++) {
      const key = (classOf[byte] as number) * 2 + (set[byte] as number);
      if (!seen.has(key)) {
        seen.add(key);
        split.set(key, count++);
      }
    }
    for (let byte = 0; byte < 256; byte++) {
      classOf[byte] = split.get((classOf[byte] as number) * 2 + (set[byte] as number)) as number;
    }
  }
  const sample: number[] = [];
  for (let byte = 0; byte < 256; byte++) sample[classOf[byte] as number] ??= byte;
  return [classOf, sample];
}
