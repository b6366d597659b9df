import { closeSync, fstatSync, readFileSync } from "node:fs";
import { openFile } from "./open-beneath.ts";

/** An index as it was at one moment. */
export interface IndexSnapshot<T> {
  readonly records: readonly T[];
  /** The writer's token and the file's identity; while both stay the same, so do the records. */
  readonly version: string;
}

/** Names an index file and its parser. */
export interface IndexFile<T> {
  readonly dirFd: number;
  readonly name: string;
  /** Path for messages. */
  readonly shown: string;
  readonly parse: (text: string, file: string) => readonly T[];
}

/**
 * Reads an index while its lock is held, unless `known` is still current. A missing file has no records.
 *
 * @param token the token read under the same lock
 * @throws CstorageError `STORE_CORRUPT`, `PERMISSION_DENIED`
 */
export function readIndex<T>(index: IndexFile<T>, token: Uint8Array, known: IndexSnapshot<T> | null): IndexSnapshot<T> {
  const fd = openFile(index.dirFd, index.name, index.shown);
  const prefix = Buffer.from(token).toString("hex");
  if (fd === null) return { records: [], version: `${prefix}:none` };
  try {
    // Writers replace the file by rename and look at its time as well as at the token.
    const { ino, size, mtimeNs } = fstatSync(fd, { bigint: true });
    const version = `${prefix}:${ino}:${size}:${mtimeNs}`;
    if (known?.version === version) return known;
    return { records: index.parse(readFileSync(fd, "utf8"), index.shown), version };
  } finally {
    closeSync(fd);
  }
}
