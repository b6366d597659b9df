import { closeSync, constants, openSync, readdirSync } from "node:fs";
import { type HashName, KernelError, measureVerity } from "@composefs/reflink";
import { idLength } from "../fsverity/object-id.ts";
import { fdPath, hasCode, writeFileOnce } from "./directory.ts";
import { DEFAULT_FORMATS, type ErofsFormats, encodeMetadata } from "./metadata.ts";
import { METADATA_NAME } from "./metadata-file.ts";

interface FirstObject {
  readonly hash: HashName;
  readonly path: string;
}

/** Hash of the objects of a repository without meta.json, by the length of a name; null when it has none. */
export function inferHash(repositoryFd: number): HashName | null {
  return firstObject(repositoryFd)?.hash ?? null;
}

/**
 * Writes the meta.json that a repository of before 0.5 lacks, as the reference does: the hash from an object's name,
 * fs-verity required if that object has it, EROFS V1 unless `erofs` says otherwise.
 *
 * @returns false when there is no object to tell the hash
 */
export function upgradeOldRepository(repositoryFd: number, erofs: ErofsFormats = DEFAULT_FORMATS): boolean {
  const object = firstObject(repositoryFd);
  if (object === null) return false;
  const { hash } = object;
  const bytes = encodeMetadata(hash, erofs);
  try {
    writeFileOnce(repositoryFd, METADATA_NAME, bytes, hasVerity(object) ? hash : null);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error; // EEXIST: another process upgraded it
  }
  return true;
}

function firstObject(repositoryFd: number): FirstObject | null {
  const objects = fdPath(repositoryFd, "objects");
  for (const directory of list(objects)) {
    if (!/^[0-9a-f]{2}$/.test(directory)) continue;
    for (const rest of list(`${objects}/${directory}`)) {
      for (const hash of ["sha256", "sha512"] as const) {
        if (rest.length === idLength(hash) - 2) return { hash, path: `${objects}/${directory}/${rest}` };
      }
    }
  }
  return null;
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

function hasVerity(object: FirstObject): boolean {
  const fd = openSync(object.path, constants.O_RDONLY);
  try {
    return measureVerity(fd, object.hash) !== null;
  } catch (error) {
    if (error instanceof KernelError && error.code === "EOVERFLOW") return false;
    throw error;
  } finally {
    closeSync(fd);
  }
}
