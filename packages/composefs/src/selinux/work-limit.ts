import { ComposefsError } from "../errors.ts";

/**
 * Steps that the rules of a policy may take on all paths of a tree together. A policy of 6,000 rules takes some 10
 * million on 100,000 paths; this many take some ten seconds.
 */
const MAX_STEPS = 500_000_000;

/** What is left of the work that may be done: patterns come from images that nobody vouches for. */
export class WorkLimit {
  #left: number;

  constructor(steps: number = MAX_STEPS) {
    this.#left = steps;
  }

  /** @throws ComposefsError `SELINUX_UNSUPPORTED` when nothing is left */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    throw new ComposefsError(
      "SELINUX_UNSUPPORTED",
      "the SELinux policy takes too long: its patterns are too involved",
      {
        hint: "look for nested repetitions in the file_contexts files",
      },
    );
  }
}
