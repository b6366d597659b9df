import { binding } from "./binding.ts";
import { KernelError } from "./errors.ts";
import { ALGORITHM_NUMBER, type HashName } from "./verity.ts";

/** What the directories `00` to `ff` of an object directory hold. */
export interface ObjectListing {
  /** Digests that name regular files, one after the other, ascending. */
  readonly ids: Buffer;
  /**
   * All other names there, in no order: paths of what has another type or a name that is no digest, and directories of
   * which something else takes the place. One character (latin1) for each byte.
   */
  readonly others: readonly string[];
}

/**
 * Lists the directories `00` to `ff` beneath `objectsFd` on the native threads. A symlink in the place of one is not
 * followed; one that is missing is empty.
 *
 * @throws KernelError a directory cannot be read
 */
export async function listObjects(objectsFd: number, hash: HashName): Promise<ObjectListing> {
  const { ids, others, errno, directory } = await binding.listObjects(objectsFd, ALGORITHM_NUMBER[hash]);
  if (errno !== undefined) {
    throw new KernelError(errno, "getdents64", Buffer.from((directory as number).toString(16).padStart(2, "0")));
  }
  return { ids, others: others.toString("latin1").split("\0").slice(0, -1) };
}

/**
 * Compares objects beneath `objectsFd` with their names, on the native threads: by what the kernel measures, or without
 * fs-verity by their contents.
 *
 * @param ids digests, one after the other; not to be changed meanwhile
 * @param options.requireVerity contents are not read: what has no fs-verity differs
 * @returns places in `ids`, ascending, of those that are not there, cannot be read, or have another digest;
 *   `digestFiles` says which
 */
export async function differingObjects(
  objectsFd: number,
  ids: Uint8Array,
  hash: HashName,
  options: { readonly requireVerity: boolean },
): Promise<Uint32Array> {
  return binding.differingObjects(objectsFd, ids, ALGORITHM_NUMBER[hash], options.requireVerity);
}

/**
 * Looks for digests among others, all of them raw, one after the other.
 *
 * @param sorted where to look, ascending
 * @returns places in `digests`, ascending, of those that are not in `sorted`
 */
export function missingDigests(sorted: Uint8Array, digests: Uint8Array, hash: HashName): Uint32Array {
  return binding.missingDigests(sorted, digests, ALGORITHM_NUMBER[hash]);
}
