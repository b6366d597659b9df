import { closeSync } from "node:fs";
import { env } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { FdSocket } from "@composefs/splitfdstream";
import { CstorageError } from "../errors.ts";
import { type HelperChild, startChild } from "./child.ts";
import { HelperConnection } from "./connection.ts";
import { HELPER_VARIABLE } from "./helper-variable.ts";
import { startInOwnNamespace } from "./own-namespace.ts";

/** A helper that has answered once. */
export interface Helper {
  readonly connection: HelperConnection;
  /** Ends the connection and the process, and waits until it is gone. */
  stop(): Promise<void>;
}

type Start = (command: readonly string[], socket: number, env: NodeJS.ProcessEnv) => Promise<HelperChild>;

/** Ways into a user namespace, in the order they are tried. */
const WAYS: readonly { readonly name: string; readonly start: Start }[] = [
  { name: "podman unshare", start: startByPodman },
  { name: "unshare and newuidmap", start: startInOwnNamespace },
];
/** Longest wait for the first answer. */
const FIRST_ANSWER_MS = 30_000;
/** Longest wait for a helper to end by itself. */
const END_MS = 2_000;

/**
 * Starts this program again as helper, as root of a user namespace: `podman unshare`, where that cannot be had by
 * newuidmap(1) and newgidmap(1).
 *
 * @param greet asks the helper something; when it is answered, the helper is there
 * @throws CstorageError `HELPER_UNAVAILABLE`, `details.tried` says why; rejects with `signal.reason`
 * @see containers-storage.md §6.2
 */
export async function startHelper(
  greet: (connection: HelperConnection) => Promise<unknown>,
  signal?: AbortSignal,
): Promise<Helper> {
  const command = ownCommand();
  const tried: string[] = [];
  for (const { name, start } of WAYS) {
    signal?.throwIfAborted();
    const attempt = await tryWay(start, command, greet, signal);
    if ("helper" in attempt) return attempt.helper;
    tried.push(`${name}: ${attempt.reason}`);
  }
  throw unavailable(tried);
}

async function tryWay(
  start: Start,
  command: readonly string[],
  greet: (connection: HelperConnection) => Promise<unknown>,
  signal: AbortSignal | undefined,
): Promise<{ helper: Helper } | { reason: string }> {
  const { socket, inheritable } = FdSocket.withHeir();
  let child: HelperChild;
  try {
    child = await start(command, inheritable, env);
  } catch (error) {
    socket.close();
    const { code, path } = error as NodeJS.ErrnoException;
    return { reason: code === "ENOENT" ? `${path ?? "program"} is not installed` : (error as Error).message };
  } finally {
    closeSync(inheritable);
  }
  const helper = supervise(new HelperConnection(socket, () => howItEnded(child)), child);
  const timeout = AbortSignal.timeout(FIRST_ANSWER_MS);
  try {
    await firstAnswer(greet(helper.connection), signal === undefined ? timeout : AbortSignal.any([signal, timeout]));
    return { helper };
  } catch (error) {
    await helper.stop();
    signal?.throwIfAborted();
    if (timeout.aborted) return { reason: `no answer within ${FIRST_ANSWER_MS / 1000} s` };
    if (error instanceof CstorageError && error.code === "HELPER_PROTOCOL") return { reason: error.message };
    throw error;
  }
}

/** A helper may end the connection and still run on, which shall keep nobody waiting. */
async function howItEnded(child: HelperChild): Promise<string> {
  const waited = new AbortController();
  const late = sleep(END_MS, "it still runs", { signal: waited.signal }).catch(() => "it still runs");
  try {
    return await Promise.race([child.ended, late]);
  } finally {
    waited.abort();
  }
}

async function firstAnswer(answer: Promise<unknown>, signal: AbortSignal): Promise<void> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    await Promise.race([answer, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort as () => void);
  }
}

function supervise(connection: HelperConnection, child: HelperChild): Helper {
  const stop = async (): Promise<void> => {
    const waited = new AbortController();
    const late = sleep(END_MS, "late" as const, { signal: waited.signal }).catch(() => "late" as const);
    const gone = Promise.all([connection.close(), child.ended]);
    const how = await Promise.race([gone, late]);
    waited.abort();
    if (how !== "late") return;
    connection.disconnect();
    child.kill();
    await gone;
  };
  return { connection, stop };
}

/** `env` sets the variable inside: podman need not pass its own environment on. */
function startByPodman(command: readonly string[], socket: number, env: NodeJS.ProcessEnv): Promise<HelperChild> {
  return startChild(["podman", "unshare", "env", `${HELPER_VARIABLE}=1`, ...command], socket, env);
}

/** @throws CstorageError `HELPER_UNAVAILABLE` this program cannot be started again, or is a helper itself */
function ownCommand(): readonly string[] {
  const [, script] = process.argv;
  if (script === undefined) throw unavailable(["this program has no main script that could be started again"]);
  return [process.execPath, ...process.execArgv, script];
}

function unavailable(tried: readonly string[]): CstorageError {
  return new CstorageError("HELPER_UNAVAILABLE", `no helper in a user namespace can be had: ${tried.join("; ")}`, {
    details: { tried },
    hint:
      "install podman, or util-linux and uidmap, and give the user ranges in /etc/subuid and /etc/subgid; " +
      "or run as root; a program of its own must call initIfHelper first",
  });
}
