import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { RootlessUser } from "./rootless-user.ts";
import type { UserCfsctl } from "./user-cfsctl.ts";

/** The command as it is shipped. */
export const CFSCTL_PATH: string = fileURLToPath(new URL("../../packages/cfsctl/bin/cfsctl.js", import.meta.url));

/** How a call ended. */
export interface CfsctlResult {
  /** Standard output read as UTF-8. */
  readonly stdout: string;
  readonly stdoutBytes: Buffer;
  readonly stderr: string;
  /** Exit status; null if a signal ended it. */
  readonly exitCode: number | null;
}

/** Settings of {@link cfsctl}. */
export interface CfsctlOptions {
  /** Variables added to the environment; undefined removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Bytes for standard input. */
  readonly input?: Uint8Array | string;
  /** Runs as this user, with the user's environment, what the user can reach. */
  readonly as?: { readonly user: RootlessUser; readonly cfsctl: UserCfsctl };
}

/** Runs cfsctl to its end; a status other than 0 is a result, not an error. */
export async function cfsctl(args: readonly string[], options: CfsctlOptions = {}): Promise<CfsctlResult> {
  const child = startCfsctl(args, options);
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  const exitCode = await ended(child);
  const stdoutBytes = Buffer.concat(stdout);
  return {
    stdout: stdoutBytes.toString("utf8"),
    stdoutBytes,
    stderr: Buffer.concat(stderr).toString("utf8"),
    exitCode,
  };
}

/** Like {@link cfsctl}, for calls that must succeed. @throws Error with stderr if the status is not 0. */
export async function cfsctlOk(args: readonly string[], options: CfsctlOptions = {}): Promise<CfsctlResult> {
  const result = await cfsctl(args, options);
  if (result.exitCode !== 0) throw new Error(`cfsctl ${args.join(" ")}: status ${result.exitCode}: ${result.stderr}`);
  return result;
}

/** Starts cfsctl with pipes for all three streams; for tests that kill it or close its output. */
export function startCfsctl(args: readonly string[], options: CfsctlOptions = {}): ChildProcess {
  const { as } = options;
  const child = spawn(as?.cfsctl.node ?? process.execPath, [as?.cfsctl.script ?? CFSCTL_PATH, ...args], {
    env: { ...(as?.user.env ?? cleanEnvironment()), ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    ...(as === undefined ? {} : { uid: as.user.uid, gid: as.user.gid, cwd: as.user.home }),
  });
  // A command that ends without reading its input is judged by its status.
  child.stdin?.on("error", () => child.stdin?.destroy());
  child.stdin?.end(options.input ?? "");
  return child;
}

/** Waits until a child is gone and its output is complete: exit status, or null after a signal. */
export function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code));
  });
}

/** The machine's own store settings and terminal must not decide what a test sees. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env };
  for (const name of Object.keys(env)) {
    if (/^(CONTAINERS_|STORAGE_|XDG_|NODE_OPTIONS$|FORCE_COLOR$|VITEST)/.test(name)) delete env[name];
  }
  return env;
}
