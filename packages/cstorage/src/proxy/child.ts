import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";

/** A process started for the helper. */
export interface HelperChild {
  readonly process: ChildProcess;
  /** Settles when the process is gone and reaped: how it ended, in words. */
  readonly ended: Promise<string>;
}

/** What is kept of standard error. */
const STDERR_BYTES = 2048;

/**
 * Starts `command` with the helper's socket as standard input, nothing to write on, and standard error kept for messages.
 *
 * @param extra more descriptors, from 3 on
 * @throws NodeJS.ErrnoException `ENOENT` there is no such program
 */
export async function startChild(
  command: readonly string[],
  socket: number,
  env: NodeJS.ProcessEnv,
  extra: readonly "pipe"[] = [],
): Promise<HelperChild> {
  const [program, ...args] = command;
  const child = spawn(program as string, args, { env, stdio: [socket, "ignore", "pipe", ...extra] });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  const stderr = collect(child.stderr as Readable);
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal === null ? `exit status ${code}` : `signal ${signal}`));
  }).then((how) => `${how}${stderr() === "" ? "" : `: ${stderr()}`}`);
  return { process: child, ended };
}

/** The last that came, on one line. */
function collect(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (piece: string) => {
    text = (text + piece).slice(-STDERR_BYTES);
  });
  // Its end is no matter of ours, nor a failure to read what is for messages alone.
  stream.on("error", () => undefined);
  return () => text.trim().replace(/\s*\n\s*/g, "; ");
}
