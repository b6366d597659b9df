import { closeSync, constants, openSync } from "node:fs";
import { digestFiles, type FileDigest } from "@composefs/reflink";
import { onDisk } from "./byte-path.ts";
import { hasCode } from "./directory.ts";
import type { FsckContext, FsckTally } from "./fsck-tally.ts";
import { type ObjectFile, objectDirectories } from "./object-files.ts";

/** Files hashed by one native call. */
const BATCH_FILES = 1024;
/**
 * Calls under way at once. With fewer the names would only be read when most is hashed, with nothing left for the other
 * processors to do meanwhile; this many paths are 10 MB.
 */
const BATCHES = 64;

/**
 * Checks that every object has the content, and where required the fs-verity digest, that its name says. On return
 * {@link FsckTally.present} is complete, while the last contents are still being hashed.
 *
 * @param hashContents false: only note which objects are there
 * @returns waits for the rest; to be called in any case
 */
export async function checkObjects(
  context: FsckContext,
  tally: FsckTally,
  hashContents: boolean,
  signal: AbortSignal | undefined,
): Promise<() => Promise<void>> {
  const directory = openObjects(context.repositoryFd);
  if (directory === null) {
    for (const files of batches(context, tally)) if (hashContents) report(tally, { files, digests: [] });
    return () => Promise.resolve();
  }
  const running: Promise<Checked>[] = [];
  const settle = async (most: number): Promise<void> => {
    while (running.length > most) report(tally, await (running.shift() as Promise<Checked>));
  };
  const finish = async (): Promise<void> => {
    try {
      await settle(0);
    } finally {
      await Promise.allSettled(running); // they use the descriptor
      closeSync(directory);
    }
  };
  try {
    for (const files of batches(context, tally)) {
      signal?.throwIfAborted();
      if (!hashContents) continue;
      running.push(digest(context, directory, files));
      await settle(BATCHES - 1);
    }
    return finish;
  } catch (error) {
    await finish();
    throw error;
  }
}

interface Checked {
  readonly files: readonly ObjectFile[];
  readonly digests: readonly (FileDigest | null)[];
}

function openObjects(repositoryFd: number): number | null {
  try {
    return openSync(onDisk(repositoryFd, "objects"), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP")) return null;
    throw error;
  }
}

function* batches({ repositoryFd, hash }: FsckContext, tally: FsckTally): Generator<readonly ObjectFile[]> {
  let batch: ObjectFile[] = [];
  for (const files of objectDirectories(repositoryFd, hash)) {
    for (const file of files) if (file.id !== null && file.type === "RegularFile") tally.present.add(file.id);
    batch.push(...files);
    if (batch.length < BATCH_FILES) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

async function digest(context: FsckContext, directory: number, files: readonly ObjectFile[]): Promise<Checked> {
  const named = files.filter(({ id }) => id !== null);
  const paths = named.map(({ path }) => path.slice("objects/".length));
  const found = await digestFiles(directory, paths, context.hash, { requireVerity: context.verity });
  let next = 0;
  return { files, digests: files.map(({ id }) => (id === null ? null : (found[next++] ?? null))) };
}

function report(tally: FsckTally, { files, digests }: Checked): void {
  for (const [i, { id, path, type, problem }] of files.entries()) {
    const outcome = digests[i] ?? null;
    tally.objects.checked++;
    if (outcome !== null && "id" in outcome) {
      if (outcome.id === id) continue;
      tally.add("object-digest-mismatch", path, `measured ${outcome.id}`);
    } else if (outcome === null) {
      if (problem === null) tally.add("unexpected-file-type", path, type);
      else tally.add("object-invalid-name", path, problem);
    } else if ("error" in outcome) {
      const kind = outcome.failure === "open" ? "object-open-failed" : "object-verity-failed";
      tally.add(kind, path, outcome.error.message);
    } else if (outcome.failure === "no-verity") {
      tally.add("object-verity-missing", path);
    } else {
      tally.add("object-verity-failed", path, "not a regular file");
    }
    tally.objects.bad++;
  }
}
