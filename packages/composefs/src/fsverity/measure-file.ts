import { closeSync, constants, openSync } from "node:fs";
import { type HashName, measureVerity, verityDigestFds } from "@composefs/reflink";
import { atPath } from "../repository/directory.ts";
import { type ObjectId, objectIdFromBytes } from "./object-id.ts";

/**
 * The fs-verity digest of a file: what the kernel holds if fs-verity is enabled on it, else computed from the content.
 *
 * @throws node:fs errors and KernelError, with the path
 */
export async function measureFile(path: string, hash: HashName): Promise<ObjectId> {
  let fd: number | null = null;
  try {
    fd = openSync(path, constants.O_RDONLY);
    return objectIdFromBytes(measured(fd, hash) ?? (await computed(fd, hash)));
  } catch (error) {
    throw atPath(error, path);
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** Null also for a file that has fs-verity with another hash. */
function measured(fd: number, hash: HashName): Uint8Array | null {
  try {
    return measureVerity(fd, hash);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EOVERFLOW") return null;
    throw error;
  }
}

async function computed(fd: number, hash: HashName): Promise<Uint8Array> {
  const [outcome] = await verityDigestFds([fd], hash);
  if (outcome !== undefined && "digest" in outcome) return outcome.digest;
  throw outcome?.error ?? new Error("no digest");
}
