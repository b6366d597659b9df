import { randomInt } from "node:crypto";
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { enableVerity, type HashName, KernelError, linkFd, openTmpfile } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { makeDirectories } from "../make-directories.ts";
import { relativeLink } from "./names.ts";

/** Path of an open directory for `node:fs`, which cannot work relative to a descriptor itself. */
export function fdPath(fd: number, ...components: readonly string[]): string {
  return ["/proc/self/fd", fd, ...components].join("/");
}

const METADATA_MODE = 0o644;
const DIRECTORY_MODE = 0o755;
const TEMPORARY_TRIES = 16;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Text for a temporary name: letters and digits. */
export function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}

/** True for an error of `node:fs` or the addon with this code. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? "");
}

/**
 * Writes a file that appears complete or not at all: unnamed file, fsync, optionally fs-verity, link.
 *
 * @throws ComposefsError `VERITY_UNSUPPORTED`; node:fs and kernel errors, `EEXIST` when the name is taken
 */
export function writeFileOnce(dirFd: number, name: string, bytes: Uint8Array, verity: HashName | null): void {
  let temporary: string | null = null;
  let fd: number;
  try {
    fd = openTmpfile(dirFd, METADATA_MODE);
  } catch (error) {
    if (!hasCode(error, "ENOTSUP", "ENOSYS", "EISDIR")) throw error;
    temporary = fdPath(dirFd, `.tmp-${randomText(12)}`);
    fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, METADATA_MODE);
  }
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
    // fs-verity wants no writer left, so only a read-only descriptor stays open.
    const readOnly = openSync(fdPath(fd), constants.O_RDONLY);
    closeSync(fd);
    fd = readOnly;
    if (verity !== null && enableVerity(fd, verity) === "unsupported") {
      throw new ComposefsError("VERITY_UNSUPPORTED", "the file system does not support fs-verity", {
        hint: "use a file system with fs-verity (ext4 with -O verity, btrfs), or `init --insecure` to do without",
      });
    }
    linkFd(fd, dirFd, name);
  } finally {
    closeSync(fd);
    if (temporary !== null) unlinkSync(temporary);
  }
}

/**
 * Makes `link` a symlink to `target` (components relative to the repository), replacing another one atomically.
 *
 * @returns false when it already was exactly that
 */
export function placeSymlink(repositoryFd: number, link: readonly string[], target: readonly string[]): boolean {
  const text = relativeLink(link, target);
  const path = fdPath(repositoryFd, ...link);
  const attempt = (): boolean => {
    try {
      symlinkSync(text, path);
      return true;
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
    }
    if (readLink(path) === text) return false;
    const temporary = temporarySymlink(repositoryFd, text);
    try {
      renameSync(temporary, path);
    } catch (error) {
      unlinkSync(temporary);
      throw error;
    }
    return true;
  };
  try {
    try {
      return attempt();
    } catch (error) {
      if (!hasCode(error, "ENOENT")) throw error;
    }
    makeDirectories(fdPath(repositoryFd, ...link.slice(0, -1)), DIRECTORY_MODE);
    return attempt();
  } catch (error) {
    throw atPath(error, link.join("/"));
  }
}

function temporarySymlink(repositoryFd: number, text: string): string {
  for (let tries = 1; ; tries++) {
    const path = fdPath(repositoryFd, `.symlink-${randomText(12)}`);
    try {
      symlinkSync(text, path);
      return path;
    } catch (error) {
      if (!hasCode(error, "EEXIST") || tries === TEMPORARY_TRIES) throw error;
    }
  }
}

/** Text of a symlink; null when the path is missing or is something else. */
export function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (hasCode(error, "ENOENT", "EINVAL", "ENOTDIR", "ENAMETOOLONG")) return null;
    throw error;
  }
}

/** A kernel error's message with a path of the user instead of the one through `/proc`. */
export function atPath(error: unknown, path: string): unknown {
  if (error instanceof KernelError) return new KernelError(-error.errno, error.syscall, path);
  const { errno, syscall } = error as NodeJS.ErrnoException;
  return typeof errno === "number" && syscall !== undefined ? new KernelError(-errno, syscall, path) : error;
}
