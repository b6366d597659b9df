import type { LockWait } from "@composefs/core";
import type { Context } from "./context.ts";
import { printable } from "./render/printable.ts";
import { UsageError } from "./usage-error.ts";

/**
 * How to wait for a repository that others use: as long as `--wait` says, and who waits is told for whom (cli.md D12).
 *
 * @param seconds value of `--wait`; without it there is no limit
 * @throws UsageError it is no number
 */
export function lockWait(seconds: string | undefined, { stderr }: Pick<Context, "stderr">): LockWait {
  if (seconds !== undefined && !/^\d{1,9}(\.\d+)?$/.test(seconds)) {
    throw new UsageError(`invalid value '${seconds}' for '--wait <seconds>': a number of seconds is expected`);
  }
  return {
    lockTimeoutMs: seconds === undefined ? undefined : Math.round(Number(seconds) * 1000),
    onWait: (holders) => {
      const names = holders.map(({ pid, command }) => `process ${pid}${command === null ? "" : ` (${command})`}`);
      const who = names.length === 0 ? "another process" : names.join(", ");
      stderr.write(`Waiting for ${printable(who)}, which uses the repository\n`);
    },
  };
}
