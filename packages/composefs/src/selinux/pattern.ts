import type { ByteSet } from "./byte-set.ts";

/** A regular expression over bytes. */
export type Pattern =
  | { readonly kind: "bytes"; readonly set: ByteSet }
  | { readonly kind: "sequence"; readonly items: readonly Pattern[] }
  | { readonly kind: "choice"; readonly items: readonly Pattern[] }
  /** `max` is null where there is none. */
  | { readonly kind: "repeat"; readonly item: Pattern; readonly min: number; readonly max: number | null }
  | { readonly kind: "assert"; readonly place: Place }
  | { readonly kind: "look"; readonly behind: boolean; readonly negative: boolean; readonly item: Pattern };

/** Where an assertion holds. Words are of ASCII letters, digits and `_`. */
export type Place =
  | "start"
  | "end"
  | "line-start"
  | "line-end"
  | "word-edge"
  | "no-word-edge"
  | "word-start"
  | "word-end"
  | "word-start-half"
  | "word-end-half";

/** What matches the empty text alone. */
export const EMPTY: Pattern = { kind: "sequence", items: [] };

/** Greatest number of instructions that one pattern may take, counted repetitions written out. */
export const MAX_PATTERN_SIZE = 20_000;

/** Greatest length of a pattern as it is written. */
export const MAX_PATTERN_CHARS = 32_768;

/** Why a pattern cannot be taken; `unsupported` when the reference would take it. */
export class PatternError extends Error {
  readonly unsupported: boolean;

  constructor(message: string, unsupported = false) {
    super(message);
    this.unsupported = unsupported;
  }
}
