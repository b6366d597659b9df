import { closeSync, constants, openSync } from "node:fs";
import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { algorithmName } from "../fsverity/algorithm.ts";
import { hasCode } from "./directory.ts";
import { type LockWait, lockRepository } from "./lock.ts";
import type { Metadata } from "./metadata.ts";
import { METADATA_NAME, readMetadata, requiresVerity } from "./metadata-file.ts";
import { upgradeOldRepository } from "./old-format.ts";

/** How to open a repository. */
export interface OpenOptions extends LockWait {
  /** The hash it must have. */
  readonly hash?: HashName | undefined;
  /** Fail unless it requires fs-verity; default false. */
  readonly requireVerity?: boolean | undefined;
  /** Write the meta.json an old repository lacks; default true. */
  readonly upgrade?: boolean | undefined;
  /** Treat it as insecure whatever it says; default false. */
  readonly insecure?: boolean | undefined;
}

/** A repository's directory, under a shared lock until `fd` is closed. */
export interface OpenedDirectory {
  readonly fd: number;
  readonly metadata: Metadata;
  /** Whether every object must have fs-verity. */
  readonly verity: boolean;
}

/**
 * Opens and locks the directory of a repository, and reads its meta.json.
 *
 * @throws ComposefsError `REPO_NOT_FOUND`, `REPO_METADATA_MISSING`, `REPO_METADATA_INVALID`, `REPO_UNSUPPORTED`,
 *   `REPO_OLD_FORMAT`, `REPO_CONFIG_MISMATCH`, `VERITY_REQUIRED`, `REPO_LOCKED`
 */
export async function openDirectory(path: string, options: OpenOptions): Promise<OpenedDirectory> {
  const fd = openPath(path);
  try {
    await lockRepository(fd, "shared", path, options);
    const metadata = loadMetadata(fd, path, options.upgrade ?? true);
    if (options.hash !== undefined && options.hash !== metadata.hash) {
      throw new ComposefsError(
        "REPO_CONFIG_MISMATCH",
        `repository ${path} is configured for ${algorithmName(metadata.hash)} (from ${METADATA_NAME}), not ${options.hash}`,
        { details: { path, hash: metadata.hash }, hint: `leave the hash out, or say ${metadata.hash}` },
      );
    }
    const verity = !options.insecure && requiresVerity(fd, metadata.hash, path);
    if (options.requireVerity && !verity) {
      throw new ComposefsError("VERITY_REQUIRED", `repository ${path} was not initialized with fs-verity`, {
        details: { path },
        hint: "create it anew with `cfsctl init` on a file system with fs-verity",
      });
    }
    return { fd, metadata, verity };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function openPath(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    if (!hasCode(cause, "ENOENT", "ENOTDIR")) throw cause;
    throw new ComposefsError("REPO_NOT_FOUND", `there is no repository at ${path}`, {
      details: { path },
      hint: `create one with \`cfsctl init ${path}\`, or name another with --repo`,
      cause,
    });
  }
}

function loadMetadata(fd: number, path: string, upgrade: boolean): Metadata {
  const metadata = readMetadata(fd, path);
  if (metadata !== null) return metadata;
  if (!upgrade) {
    throw new ComposefsError("REPO_OLD_FORMAT", `${METADATA_NAME} not found in ${path}`, {
      details: { path },
      hint: "leave --no-upgrade out to have it written, or use `cfsctl init`",
    });
  }
  const upgraded = upgradeOldRepository(fd) ? readMetadata(fd, path) : null;
  if (upgraded !== null) return upgraded;
  throw new ComposefsError("REPO_METADATA_MISSING", `no ${METADATA_NAME} in ${path}, and no objects to infer it from`, {
    details: { path },
    hint: `is this a repository? \`cfsctl init ${path}\` makes one`,
  });
}
