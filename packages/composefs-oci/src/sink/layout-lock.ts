import { type FileHandle, open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { tryFlock } from "@composefs/core";

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 100;

/**
 * Runs `work` while no other process that asks likewise works on the directory: flock(2), which the kernel lifts when a
 * process dies. Waits as long as it takes; a holder keeps it for the time of writing one small file.
 *
 * @throws node:fs errors; KernelError; rejects with `signal.reason`
 */
export async function withDirectoryLock<Result>(
  path: string,
  work: () => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> {
  const directory: FileHandle = await open(path);
  try {
    for (
      let pause = FIRST_PAUSE_MS;
      !tryFlock(directory.fd, "exclusive");
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
    ) {
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
    }
    return await work();
  } finally {
    await directory.close();
  }
}
