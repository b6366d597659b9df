const ENDING_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** What hangs must not keep a process that was told to end. */
const GRACE_MS = 10_000;

/**
 * Runs `work` so that a signal to end does not leave its temporary files and programs behind: the first one aborts, and the
 * process ends by that signal when `work` has settled, or after ten seconds. A second one ends it at once.
 */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const aborted = new AbortController();
  let caught: NodeJS.Signals | null = null;
  let grace: NodeJS.Timeout | undefined;
  const letGo = (): void => {
    for (const name of ENDING_SIGNALS) process.removeListener(name, onSignal);
    clearTimeout(grace);
  };
  const end = (name: NodeJS.Signals): void => {
    letGo();
    process.kill(process.pid, name);
  };
  const onSignal = (name: NodeJS.Signals): void => {
    if (caught !== null) {
      end(name);
      return;
    }
    caught = name;
    grace = setTimeout(end, GRACE_MS, name);
    aborted.abort(new Error(`ended by ${name}`));
  };
  for (const name of ENDING_SIGNALS) process.on(name, onSignal);
  try {
    return await work(aborted.signal);
  } finally {
    if (caught === null) letGo();
    else end(caught);
  }
}
