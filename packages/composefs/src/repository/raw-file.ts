import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type BytePath, onDisk } from "./byte-path.ts";
import { hasCode } from "./directory.ts";

/**
 * Bytes of a regular file in the repository, not checked against any digest; null when it is missing. Symlinks are
 * followed.
 *
 * @param limitBytes read no more than so many from its start; default all
 * @throws node:fs errors; Error for anything but a regular file
 */
export function readRaw(
  repositoryFd: number,
  path: BytePath,
  limitBytes: number = Number.MAX_SAFE_INTEGER,
): Buffer | null {
  let fd: number;
  try {
    fd = openSync(onDisk(repositoryFd, path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw error;
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw new Error("not a regular file");
    const bytes = Buffer.allocUnsafeSlow(Math.min(status.size, limitBytes));
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(fd, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
