import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { ComposefsError } from "../errors.ts";
import { makeDirectories } from "../make-directories.ts";
import { type ByteString, bytesOf } from "../tree/node.ts";

/**
 * A directory that files for booting are written to, the mount point of a boot partition perhaps. Nothing is ever
 * written outside of it, whatever the names are and whatever symlinks are in it.
 */
export class BootDirectory {
  readonly #root: Buffer;

  /** Makes the directory if need be. @throws errors of `node:fs` */
  constructor(path: string) {
    makeDirectories(path);
    this.#root = realpathSync(path, { encoding: "buffer" });
  }

  /**
   * Writes a file whole or not at all: under another name first, to the disk, then renamed. Directories on the way are
   * made.
   *
   * @param path beneath the directory, its components as bytes; an empty one or `.` is passed over
   * @throws ComposefsError `PATH_INVALID` the path leads out of the directory; errors of `node:fs`
   */
  write(path: ByteString, content: Uint8Array): void {
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    const name = parts.pop();
    if (name === undefined || parts.includes("..") || name === ".." || path.includes("\0")) {
      throw leadsOut(path, "expected names beneath the directory");
    }
    const directory = this.#ensureDirectory(parts, path);
    const temporary = joined(directory, `.composefs-${randomBytes(8).toString("hex")}`);
    const fd = openSync(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o644,
    );
    try {
      try {
        for (let done = 0; done < content.length; ) done += writeSync(fd, content, done);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, joined(directory, name));
    } catch (error) {
      unlinkSync(temporary);
      throw error;
    }
    syncDirectory(directory);
  }

  #ensureDirectory(parts: readonly string[], path: ByteString): Buffer {
    let directory = this.#root;
    for (const part of parts) {
      const next = joined(directory, part);
      try {
        mkdirSync(next, 0o755);
        syncDirectory(directory);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      // /boot/boot is a symlink to /boot on many machines, which is fine; one that leads elsewhere is not.
      directory = lstatSync(next).isSymbolicLink() ? realpathSync(next, { encoding: "buffer" }) : next;
      const inside =
        directory.equals(this.#root) || directory.subarray(0, this.#root.length + 1).equals(joined(this.#root, ""));
      if (!inside) throw leadsOut(path, `'${part}' is a symlink out of the directory`);
    }
    return directory;
  }
}

function joined(directory: Buffer, name: string): Buffer {
  const slash = directory.at(-1) === 0x2f ? "" : "/";
  return Buffer.concat([directory, Buffer.from(slash), bytesOf(name as ByteString)]);
}

function syncDirectory(path: Buffer): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function leadsOut(path: ByteString, problem: string): ComposefsError {
  const shown = bytesOf(path).toString("utf8");
  return new ComposefsError(
    "PATH_INVALID",
    `${JSON.stringify(shown)} cannot be written to the boot directory: ${problem}`,
    {
      details: { path: shown, problem },
    },
  );
}
