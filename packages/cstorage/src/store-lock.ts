import { closeSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { KernelError, tryOfdLock } from "@composefs/reflink";
import { CstorageError } from "./errors.ts";
import { openFile } from "./open-beneath.ts";

/** How to wait for a lock. */
export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Longest wait in milliseconds; default 60,000. */
  readonly lockTimeoutMs?: number | undefined;
}

/** A shared lock on an index of a store. Close it to let writers go on. */
export interface StoreLock {
  /** The last writer's token; empty when no write was recorded or there is no lock file. */
  readonly token: Buffer;
  close(): void;
}

const DEFAULT_TIMEOUT_MS = 60_000;
const FIRST_DELAY_MS = 10;
const LONGEST_DELAY_MS = 250;
const TOKEN_BYTES = 64;

/**
 * Takes the shared lock of an index. Podman locks with record locks, which the open-file-description locks used here
 * exclude; the file is opened read-only and never made. Without a lock file, or where the file system knows no locks
 * because it is read-only, the store is read unlocked. Rules: containers-storage.md §2.2.
 *
 * @param dirFd directory of the lock file
 * @param name of the lock file in it
 * @param shown path for messages
 * @throws CstorageError `STORAGE_LOCKED` a writer held on for longer than the limit; rejects with `signal.reason`
 */
export async function lockShared(
  dirFd: number,
  name: string,
  shown: string,
  options: LockOptions = {},
): Promise<StoreLock> {
  const { signal, lockTimeoutMs = DEFAULT_TIMEOUT_MS } = options;
  signal?.throwIfAborted();
  const fd = openFile(dirFd, name, shown);
  if (fd === null) return { token: Buffer.alloc(0), close: () => undefined };
  let open = true;
  const close = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  try {
    await waitForLock(fd, shown, lockTimeoutMs, signal);
    return { token: readToken(fd), close };
  } catch (error) {
    close();
    throw error;
  }
}

async function waitForLock(fd: number, shown: string, limitMs: number, signal: AbortSignal | undefined): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (let delay = FIRST_DELAY_MS; !tryLock(fd); delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
    const left = deadline - performance.now();
    if (left <= 0) {
      throw new CstorageError("STORAGE_LOCKED", `${shown}: still locked by a writer after ${limitMs} ms`, {
        details: { file: shown, timeoutMs: limitMs },
        hint: "another podman, buildah or skopeo is writing to this store; wait for it to end",
      });
    }
    try {
      await sleep(Math.min(delay, left), undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  }
}

function tryLock(fd: number): boolean {
  try {
    return tryOfdLock(fd, "shared");
  } catch (error) {
    if (error instanceof KernelError && error.code === "EROFS") return true;
    throw error;
  }
}

/** The first 64 bytes of a lock file, fewer when it is shorter: opaque, only compared. containers-storage.md §2.1. */
function readToken(fd: number): Buffer {
  const token = Buffer.alloc(TOKEN_BYTES);
  return token.subarray(0, readSync(fd, token, 0, TOKEN_BYTES, 0));
}
