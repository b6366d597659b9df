import { closeSync } from "node:fs";
import { DIGEST_BYTES, differingObjects, digestFiles, type FileDigest } from "@composefs/reflink";
import { objectIdFromBytes, objectPath } from "../fsverity/object-id.ts";
import { compareBytes, typeAt } from "./byte-path.ts";
import type { FsckContext, FsckTally } from "./fsck-tally.ts";
import { listStoredObjects, type ObjectFile, objectFile, openObjects, type StoredObjects } from "./object-files.ts";

/** Objects hashed by one native call, and files whose faults one finds out. */
const BATCH_OBJECTS = 4096;
/** Calls under way at once, so that the native threads always have one. */
const CALLS = 2;

/** The objects of a repository while their contents are checked. */
export interface ObjectCheck {
  /** Digests, raw one after the other and ascending, of the objects whose files are there, sound or not. */
  readonly present: Buffer;
  /** Waits for the check; to be called in any case. @throws KernelError, or the signal's reason */
  finish(): Promise<void>;
}

/**
 * Starts to check that every object has the content, and where required the fs-verity digest, that its name says. What
 * is wrong is in the tally once {@link ObjectCheck.finish} is through.
 *
 * @param hashContents false: only find out which objects are there
 * @throws KernelError the objects cannot be listed
 */
export async function checkObjects(
  context: FsckContext,
  tally: FsckTally,
  hashContents: boolean,
  signal: AbortSignal | undefined,
): Promise<ObjectCheck> {
  const { repositoryFd, hash } = context;
  const directory = openObjects(repositoryFd);
  if (directory === null) {
    const type = hashContents ? typeAt(repositoryFd, "objects") : null;
    if (type !== null) {
      tally.objects.checked++;
      report(tally, { path: "objects", type, id: null, problem: null }, null);
    }
    return { present: Buffer.alloc(0), finish: () => Promise.resolve() };
  }
  try {
    const objects = await listStoredObjects(repositoryFd, directory, hash);
    const check = hashContents ? checkContents(context, tally, directory, objects, signal) : Promise.resolve();
    const checked = check.finally(() => closeSync(directory));
    checked.catch(() => undefined); // finish() tells of it
    return { present: objects.digests, finish: () => checked };
  } catch (error) {
    closeSync(directory);
    throw error;
  }
}

async function checkContents(
  context: FsckContext,
  tally: FsckTally,
  directory: number,
  { digests, others }: StoredObjects,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { hash } = context;
  tally.objects.checked += digests.length / DIGEST_BYTES[hash] + others.length;
  const suspects = [...others];
  for (const path of await differing(context, directory, digests, signal)) {
    suspects.push(objectFile(path, "RegularFile", hash));
  }
  suspects.sort((a, b) => compareBytes(a.path, b.path));
  for (let at = 0; at < suspects.length; at += BATCH_OBJECTS) {
    signal?.throwIfAborted();
    await findOut(context, tally, directory, suspects.slice(at, at + BATCH_OBJECTS));
  }
}

/** Paths beneath `objects/` of the objects that are not what they should be. */
async function differing(
  context: FsckContext,
  directory: number,
  ids: Buffer,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const width = DIGEST_BYTES[context.hash];
  const batches: Buffer[] = [];
  for (let at = 0; at < ids.length; at += BATCH_OBJECTS * width) {
    batches.push(ids.subarray(at, at + BATCH_OBJECTS * width));
  }
  const paths: string[] = [];
  const next = batches.values();
  const work = async (): Promise<void> => {
    for (const batch of next) {
      signal?.throwIfAborted();
      const rows = await differingObjects(directory, batch, context.hash, { requireVerity: context.verity });
      for (const row of rows) paths.push(objectPath(objectIdFromBytes(batch.subarray(row * width, (row + 1) * width))));
    }
  };
  // All of them use the descriptor: none may be left behind by the failure of another.
  const results = await Promise.allSettled(Array.from({ length: CALLS }, work));
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return paths;
}

/** Looks once more at what is not as it should be, for the reason. */
async function findOut(
  context: FsckContext,
  tally: FsckTally,
  directory: number,
  files: readonly ObjectFile[],
): Promise<void> {
  const named = files.filter(({ id }) => id !== null);
  const paths = named.map(({ path }) => path.slice("objects/".length));
  const found = await digestFiles(directory, paths, context.hash, { requireVerity: context.verity });
  let next = 0;
  for (const file of files) report(tally, file, file.id === null ? null : (found[next++] ?? null));
}

function report(tally: FsckTally, { id, path, type, problem }: ObjectFile, outcome: FileDigest | null): void {
  if (outcome !== null && "id" in outcome) {
    if (outcome.id === id) return; // it has been replaced since
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
