import { ComposefsError } from "../errors.ts";
import type { ByteString } from "../tree/node.ts";
import { Automaton } from "./automaton.ts";
import { singleByte } from "./byte-set.ts";
import type { FileRule, FileType } from "./file-contexts.ts";
import { LookMatcher } from "./look-matcher.ts";
import { parsePattern } from "./parse-pattern.ts";
import { type Pattern, PatternError } from "./pattern.ts";
import { invalidPolicy } from "./policy-lines.ts";
import { literalPrefix, looksAround, Program } from "./program.ts";
import { WorkLimit } from "./work-limit.ts";

/** Greatest number of instructions of all patterns together. */
const MAX_PROGRAM = 2_000_000;

/** A rule that {@link Automaton} cannot take. */
interface LookRule {
  readonly rule: number;
  readonly prefix: string;
  readonly matcher: LookMatcher;
}

/** Finds the label of a path by the rules of a policy; the last rule that matches wins. */
export class Labeller {
  readonly #labels: readonly (Uint8Array | null)[];
  readonly #automaton: Automaton;
  /** Last first. */
  readonly #looks: readonly LookRule[];

  /**
   * @param rules of all files in reading order
   * @throws ComposefsError `SELINUX_POLICY_INVALID` a regular expression that is none; `SELINUX_UNSUPPORTED` one that
   *   cannot be taken
   */
  constructor(rules: readonly FileRule[], limit: WorkLimit = new WorkLimit()) {
    const program = new Program();
    const entries: number[] = [];
    const looks: LookRule[] = [];
    for (const [index, rule] of rules.entries()) {
      try {
        const pattern = rulePattern(rule);
        if (looksAround(pattern)) {
          looks.push({ rule: index, prefix: literalPrefix(pattern), matcher: new LookMatcher(pattern, limit) });
        } else entries.push(program.add(pattern, index));
        if (program.op.length > MAX_PROGRAM) throw new PatternError("the patterns of the policy are too large", true);
      } catch (error) {
        throw error instanceof PatternError ? patternError(rule, error) : error;
      }
    }
    this.#automaton = new Automaton(program, entries, limit);
    this.#looks = looks.reverse();
    this.#labels = rules.map(({ context }) => (context === null ? null : Buffer.from(context)));
  }

  /** The label of an inode; null for none. @throws ComposefsError `SELINUX_UNSUPPORTED` it takes too long */
  label(path: ByteString, type: FileType): Uint8Array | null {
    const text = path + type;
    let best = this.#automaton.match(text).at(-1) ?? -1;
    for (const { rule, prefix, matcher } of this.#looks) {
      if (rule < best) break;
      if (text.startsWith(prefix) && matcher.match(text)) best = rule;
    }
    return this.#labels[best] ?? null;
  }
}

/** The path and, as one more character, the type: so a look ahead at the end of the path sees what the reference's does. */
function rulePattern({ regex, type }: FileRule): Pattern {
  const path = parsePattern(regex);
  const last = parsePattern(type ?? ".");
  const items = path.kind === "sequence" ? path.items : [path];
  return {
    kind: "sequence",
    items: [...items, type === null ? last : { kind: "bytes", set: singleByte(type.charCodeAt(0)) }],
  };
}

function patternError({ path, line, regex }: FileRule, error: PatternError): ComposefsError {
  const cut = regex.length > 200 ? `${regex.slice(0, 200)}…` : regex;
  const shown = JSON.stringify(cut);
  if (!error.unsupported) return invalidPolicy(path, line, `${shown} is no regular expression: ${error.message}`);
  return new ComposefsError("SELINUX_UNSUPPORTED", `${path}, line ${line}: ${shown}: ${error.message}`, {
    details: { path, line, regex: cut },
    hint: "write the pattern without back references, atomic groups and the like",
  });
}
