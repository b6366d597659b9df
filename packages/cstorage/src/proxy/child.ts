import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

/** A process started for the helper. */
export interface HelperChild {
  readonly process: ChildProcess;
  /** Settles when the process is gone and reaped: how it ended, in words. */
  readonly ended: Promise<string>;
  /** Kills the process and those it has started, which would not end with it. */
  kill(): void;
}

/** What is kept of standard error. */
const STDERR_BYTES = 2048;
/** Longest wait for the end of standard error once the process is gone: one that it left behind may hold it open. */
const LAST_WORDS_MS = 200;

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
  const stderr = child.stderr as Readable;
  const text = collect(stderr);
  const closed = once(child, "close");
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal === null ? `exit status ${code}` : `signal ${signal}`));
  }).then(async (how) => {
    await Promise.race([closed, sleep(LAST_WORDS_MS)]);
    stderr.destroy();
    return `${how}${text() === "" ? "" : `: ${text()}`}`;
  });
  return { process: child, ended, kill: () => killAll(child.pid as number) };
}

/** Parents first, so that none starts anything at the end of its child. */
function killAll(pid: number): void {
  const children = childrenOf(pid);
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
  for (const child of children) killAll(child);
}

function childrenOf(pid: number): number[] {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const lists = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "latin1"));
    return lists.flatMap((list) => list.split(" ").filter((text) => text !== "")).map(Number);
  } catch (error) {
    // A process or thread that has ended, or a kernel that keeps no such lists.
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return [];
    throw error;
  }
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
