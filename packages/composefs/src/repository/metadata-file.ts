import { closeSync, constants, openSync } from "node:fs";
import { type HashName, KernelError, measureVerity } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { fdPath } from "./directory.ts";
import { invalidMetadata, type Metadata, parseMetadata } from "./metadata.ts";
import { readRaw } from "./raw-file.ts";

/** Name of the repository's description. */
export const METADATA_NAME = "meta.json";

/** A meta.json has some hundred bytes. */
const MOST_BYTES = 1024 * 1024;

/**
 * Reads meta.json of an open repository directory; null when there is none.
 *
 * @throws ComposefsError as parseMetadata, also `REPO_METADATA_INVALID` for no regular file, or more than 1 MiB; KernelError
 */
export function readMetadata(repositoryFd: number, path: string): Metadata | null {
  const place = `${path}/${METADATA_NAME}`;
  let bytes: Uint8Array | null;
  try {
    bytes = readRaw(repositoryFd, METADATA_NAME, MOST_BYTES + 1);
  } catch (error) {
    if (error instanceof KernelError && error.code !== "ELOOP") throw error;
    throw invalidMetadata(place, "not a regular file", error);
  }
  if (bytes === null) return null;
  if (bytes.length > MOST_BYTES) throw invalidMetadata(place, `more than ${MOST_BYTES} bytes`);
  return parseMetadata(bytes, place);
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
