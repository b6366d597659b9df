import { closeSync, constants, openSync } from "node:fs";
import { type HashName, ObjectStore } from "@composefs/reflink";
import { makeDirectories } from "../make-directories.ts";
import { atPath } from "../repository/directory.ts";

/**
 * A directory of files named by their fs-verity digests (`XX/rest`), as objects of a repository are, but without one: what
 * mkcomposefs fills and mount.composefs takes as a base directory. Close it.
 */
export class DigestStore {
  /** Writes into the directory; for {@link scanDirectory}. */
  readonly store: ObjectStore;
  #fd: number | null;

  private constructor(fd: number, hash: HashName) {
    this.#fd = fd;
    this.store = new ObjectStore({ objectsFd: fd, hash, verity: false });
  }

  /** Opens the directory, making it and its parents where they are missing. @throws node:fs errors with the path */
  static open(path: string, hash: HashName): DigestStore {
    try {
      makeDirectories(path);
      return new DigestStore(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY), hash);
    } catch (error) {
      throw atPath(error, path);
    }
  }

  /** Closes the directory; calling it again does nothing. */
  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}
