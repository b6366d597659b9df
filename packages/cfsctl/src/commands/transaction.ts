import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import type { Context } from "../context.ts";
import { withRepository } from "../repository.ts";

/** Longest time a timer takes. */
const LONG_MS = 2 ** 31 - 1;

/** `transaction`: no garbage collection meanwhile. */
export function addTransaction(parent: Command, { globals }: Context): void {
  parent
    .command("transaction")
    .description("keep garbage collection from the repository until this command is killed")
    .action(() =>
      withRepository(globals(), async () => {
        // The lock lasts as long as the process; without a timer Node would see nothing left to do.
        for (;;) await sleep(LONG_MS);
      }),
    );
}
