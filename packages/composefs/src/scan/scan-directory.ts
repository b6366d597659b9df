import { closeSync, constants, openSync } from "node:fs";
import {
  type HashName,
  KernelError,
  type ObjectStore,
  type ScanFailure,
  scanDirectory as scan,
} from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { atPath } from "../repository/directory.ts";
import { storeError } from "../repository/store-error.ts";
import type { Directory } from "../tree/node.ts";
import { buildTree } from "./build-tree.ts";

/** Regular files up to this size in bytes are kept in the image; part of the format (erofs-image.md §1.1). */
const INLINE_LIMIT = 64;

/** How to read a directory. */
export interface ScanOptions {
  /** Hash of the object ids. */
  readonly hash: HashName;
  /** Makes objects of the files above {@link INLINE_LIMIT}; without it their ids are only computed. */
  readonly store?: ObjectStore | null | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The tree beneath a directory as it is on disk (erofs-image.md §10): every node of every kind with all its xattrs and
 * full timestamps, mount points crossed, names of one inode as hard links. The larger files are hashed, or stored, on
 * native threads during the walk.
 *
 * A symlink is refused for `path` itself unless a slash follows it. Content that changes meanwhile may be read in part
 * old, in part new; what changes its type or shrinks is an error.
 *
 * @throws ComposefsError `FILE_CHANGED`, `VERITY_UNSUPPORTED` (store); KernelError with the `path` that could not be
 *   read or stored; the reason of an aborted `signal`
 */
export async function scanDirectory(path: string | Uint8Array, options: ScanOptions): Promise<Directory> {
  const bytes = typeof path === "string" ? Buffer.from(path) : Buffer.from(path);
  const fd = openRoot(bytes);
  try {
    const { hash, store, signal } = options;
    const result = await scan(fd, { hash, inlineLimit: INLINE_LIMIT, store, signal });
    if ("failure" in result) throw scanError(result.failure, bytes);
    return buildTree(result.tree);
  } finally {
    closeSync(fd);
  }
}

function openRoot(path: Buffer): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    throw atPath(error, path.toString("utf8"));
  }
}

function scanError(failure: ScanFailure, root: Buffer): Error {
  const beneath = Buffer.from(failure.path).toString("utf8");
  const path = beneath === "" ? root.toString("utf8") : `${root.toString("utf8").replace(/\/+$/, "")}/${beneath}`;
  switch (failure.reason) {
    case "kernel":
      return new KernelError(failure.errno, failure.syscall, path);
    case "store":
      return storeError(failure.failure, path);
    case "cancelled":
      return new Error(`${path}: the scan was cancelled`);
    case "type-changed": {
      const { expected, found } = failure;
      const unknown = expected === "unknown";
      return new ComposefsError(
        "FILE_CHANGED",
        `${path}: file type changed between readdir() and fstat(): expected ${expected}, found ${found}`,
        {
          details: { path, expected, found },
          hint: unknown
            ? "this file system does not tell the types of its directory entries; copy the tree to another one"
            : "run again while nothing changes the tree",
        },
      );
    }
    case "size-changed": {
      const { expected, found } = failure;
      return new ComposefsError(
        "FILE_CHANGED",
        `${path}: size changed while it was read: expected ${expected} bytes, found ${found}`,
        { details: { path, expected, found }, hint: "run again while nothing changes the tree" },
      );
    }
  }
}
