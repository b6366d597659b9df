import { setTimeout as sleep } from "node:timers/promises";
import { tryFlock } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { type LockHolder, lockHolders } from "./lock-holders.ts";

/** How long to wait for a lock. */
export interface LockWait {
  /** Milliseconds; default: without limit, as flock(1). */
  readonly lockTimeoutMs?: number | undefined;
  /** Told once who holds the lock, when the wait for it takes longer than a second. */
  readonly onWait?: ((holders: readonly LockHolder[]) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 250;
const PATIENCE_MS = 1000;

/**
 * flock(2) on a repository's directory, shared by its users and exclusive for garbage collection (repository.md §1.3).
 * Polls, so that the event loop stays free.
 *
 * @throws ComposefsError `REPO_LOCKED` the time ran out
 */
export async function lockRepository(
  fd: number,
  type: "shared" | "exclusive",
  path: string,
  wait: LockWait = {},
): Promise<void> {
  const { lockTimeoutMs, signal } = wait;
  let { onWait } = wait;
  const start = performance.now();
  const deadline = start + (lockTimeoutMs ?? Number.POSITIVE_INFINITY);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    signal?.throwIfAborted();
    if (tryFlock(fd, type)) return;
    const left = deadline - performance.now();
    if (left <= 0) {
      throw lockedError(fd, type, path, lockTimeoutMs ?? 0);
    }
    if (onWait !== undefined && performance.now() - start >= PATIENCE_MS) {
      onWait(lockHolders(fd));
      onWait = undefined;
    }
    await sleep(Math.min(pause, left), undefined, signal ? { signal } : {});
  }
}

function lockedError(fd: number, type: string, path: string, lockTimeoutMs: number): ComposefsError {
  const holders = lockHolders(fd);
  const names = holders.map(({ pid, command }) => `process ${pid}${command === null ? "" : ` (${command})`}`);
  const who = names.length === 0 ? "another process" : names.join(", ");
  return new ComposefsError(
    "REPO_LOCKED",
    `repository ${path}: no ${type} lock within ${lockTimeoutMs} ms; ${who} holds it`,
    { details: { path, type, holders }, hint: "wait for it to end, or allow more time" },
  );
}
