import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { type HashName, KernelError, measureVerity } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { fdPath, hasCode } from "./directory.ts";
import { type Metadata, parseMetadata } from "./metadata.ts";

/** Name of the repository's description. */
export const METADATA_NAME = "meta.json";

/** Reads meta.json of an open repository directory; null when there is none. @throws ComposefsError as parseMetadata */
export function readMetadata(repositoryFd: number, path: string): Metadata | null {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(fdPath(repositoryFd, METADATA_NAME));
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
  return parseMetadata(bytes, `${path}/${METADATA_NAME}`);
}

/**
 * Whether the repository requires fs-verity: it does if meta.json itself has it, with the repository's hash.
 *
 * @throws ComposefsError `REPO_METADATA_INVALID` it has fs-verity of another hash
 */
export function requiresVerity(repositoryFd: number, hash: HashName, path: string): boolean {
  const fd = openSync(fdPath(repositoryFd, METADATA_NAME), constants.O_RDONLY);
  try {
    return measureVerity(fd, hash) !== null;
  } catch (cause) {
    if (!(cause instanceof KernelError && cause.code === "EOVERFLOW")) throw cause;
    throw new ComposefsError("REPO_METADATA_INVALID", `${path}/${METADATA_NAME}: its fs-verity digest is not ${hash}`, {
      details: { path, hash },
      cause,
    });
  } finally {
    closeSync(fd);
  }
}
