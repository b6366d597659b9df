import { spawn } from "node:child_process";
import type { Credentials } from "./auth-file.ts";

/** What helpers may print; more is a fault. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** How a helper is run. */
export interface HelperOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks `docker-credential-HELPER get` for the credentials of a server; null where it knows none.
 *
 * @throws Error saying what the helper did wrong, and nothing of what it printed
 */
export async function askHelper(helper: string, server: string, options: HelperOptions): Promise<Credentials | null> {
  const program = `docker-credential-${helper}`;
  const { status, output } = await runHelper(program, server, options);
  // Some print this with a status of 0.
  if (/^credentials not found/.test(output)) return null;
  if (status !== 0) throw new Error(`${program}: it ended with status ${status}`);
  return parseAnswer(output, program);
}

function parseAnswer(output: string, program: string): Credentials | null {
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    throw new Error(`${program}: its answer is not JSON`);
  }
  const { Username: user, Secret: secret } = (value ?? {}) as Record<string, unknown>;
  if (typeof user !== "string" || typeof secret !== "string")
    throw new Error(`${program}: Username or Secret is missing`);
  if (user === "" && secret === "") return null;
  return user === "<token>" ? { kind: "identity-token", token: secret } : { kind: "password", user, password: secret };
}

function runHelper(
  program: string,
  input: string,
  { env, timeoutMs, signal }: HelperOptions,
): Promise<{ status: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], { env, stdio: ["pipe", "pipe", "ignore"], ...(signal ? { signal } : {}) });
    const pieces: Buffer[] = [];
    let length = 0;
    let fault: Error | null = null;
    const kill = (reason: string): void => {
      fault ??= new Error(`${program}: ${reason}`);
      child.kill("SIGKILL");
      // A process it left behind may keep the pipe open.
      child.stdout.destroy();
    };
    const timer = setTimeout(() => kill(`no answer within ${timeoutMs} ms`), timeoutMs);
    child.stdout.on("data", (piece: Buffer) => {
      length += piece.length;
      if (length > MAX_OUTPUT_BYTES) kill(`more than ${MAX_OUTPUT_BYTES} bytes of output`);
      else pieces.push(piece);
    });
    // A helper that does not read its input breaks the pipe; its status tells how it went.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(signal?.aborted ? signal.reason : new Error(`${program}: cannot be run`, { cause }));
    });
    child.on("close", (code) => {
      clearTimeout(timer);
      if (fault !== null) reject(fault);
      else resolve({ status: code ?? -1, output: Buffer.concat(pieces).toString("utf8").trim() });
    });
  });
}
