import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { type BytePath, onDisk, shownPath } from "./byte-path.ts";
import { atPath, hasCode } from "./directory.ts";

/** No image or splitstream is that large. */
const MOST_BYTES = 2 ** 32 - 4096;

/**
 * Bytes of a regular file in the repository, not checked against any digest; null when it is missing. Symlinks are
 * followed.
 *
 * @param limitBytes read no more than so many from its start; default all
 * @throws KernelError; Error for anything but a regular file, and for more than 4 GiB without a limit
 */
export function readRaw(
  repositoryFd: number,
  path: BytePath,
  limitBytes: number = Number.POSITIVE_INFINITY,
): Buffer | null {
  let fd: number;
  try {
    fd = openSync(onDisk(repositoryFd, path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw atPath(error, shownPath(path));
  }
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw new Error("not a regular file");
    const wanted = Math.min(status.size, limitBytes);
    if (wanted > MOST_BYTES) throw new Error(`${status.size} bytes, more than an image or a splitstream can have`);
    const bytes = Buffer.allocUnsafeSlow(wanted);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(fd, bytes, length, bytes.length - length, null);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
