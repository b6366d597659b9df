import { spawnSync } from "node:child_process";

/** How to run a command to its end. */
export interface RunOptions {
  /** Directory to run in. */
  readonly cwd?: string;
  /** Complete environment; the caller's own by default. */
  readonly env?: NodeJS.ProcessEnv;
  /** User and group to run as; the caller's own by default. */
  readonly uid?: number;
  readonly gid?: number;
  /** Bytes for standard input; empty by default, so that nothing waits for a terminal. */
  readonly input?: Uint8Array | string;
}

/**
 * Runs a command and returns its standard output as text without the last newline.
 *
 * @throws Error naming the command, its status and what it wrote on stderr, if the status is not 0.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): string {
  return runBytes(command, args, options).toString("utf8").trimEnd();
}

/** Like {@link run}, with the output as bytes. */
export function runBytes(command: string, args: readonly string[], options: RunOptions = {}): Buffer {
  const result = spawnSync(command, args, {
    cwd: options.cwd,
    env: options.env,
    uid: options.uid,
    gid: options.gid,
    input: options.input ?? "",
    maxBuffer: 2 ** 30,
  });
  if (result.error !== undefined) throw result.error;
  if (result.status !== 0) {
    const how = result.signal === null ? `status ${result.status}` : `signal ${result.signal}`;
    throw new Error(`${command} ${args.join(" ")}: ${how}: ${result.stderr.toString("utf8").trim()}`);
  }
  return result.stdout;
}

/** Whether a command can be run and ends with status 0. */
export function succeeds(command: string, args: readonly string[]): boolean {
  const result = spawnSync(command, args, { stdio: "ignore" });
  return result.error === undefined && result.status === 0;
}
