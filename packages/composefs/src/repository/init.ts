import { closeSync, constants, mkdirSync, openSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { algorithmName } from "../fsverity/algorithm.ts";
import { makeDirectories } from "../make-directories.ts";
import { atPath, fdPath, hasCode, randomText, writeFileOnce } from "./directory.ts";
import { DEFAULT_FORMATS, type ErofsFormats, encodeMetadata, type Metadata } from "./metadata.ts";
import { METADATA_NAME, readMetadata } from "./metadata-file.ts";
import { inferHash, upgradeOldRepository } from "./old-format.ts";

/** Settings of a new repository. */
export interface InitOptions {
  /** Hash of its fs-verity digests; default sha512. */
  readonly hash?: HashName;
  /** Do without the kernel's fs-verity; default false. */
  readonly insecure?: boolean;
  /** EROFS formats of its images; default V1 alone. */
  readonly erofs?: ErofsFormats;
  /** Keep whatever configuration is there, as long as the hash is the same. */
  readonly ensure?: boolean;
  /** Remove `streams/`, `images/` and meta.json first; objects stay. Refused when the hash of the objects is another. */
  readonly reset?: boolean;
  /** With `reset`: remove `objects/`, too, of whatever hash. */
  readonly discardObjects?: boolean;
}

/** What {@link initRepository} found and did. */
export type InitOutcome = "created" | "already-initialized" | "preserved" | "upgraded";

const REPOSITORY_MODE = 0o700;

/**
 * Creates a repository, with missing parents, or finds that it is there already (repository.md §1.2).
 *
 * @throws ComposefsError `REPO_CONFIG_MISMATCH` one with another configuration is there; `VERITY_UNSUPPORTED` the file
 *   system has no fs-verity and `insecure` is not set. A directory made by a failed call is removed again.
 */
export function initRepository(path: string, options: InitOptions = {}): InitOutcome {
  const wanted: Metadata = {
    hash: options.hash ?? "sha512",
    erofs: options.erofs ?? DEFAULT_FORMATS,
    unknownReadOnlyFeatures: [],
  };
  const made = makeDirectory(path);
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      return initAt(fd, path, wanted, options);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (made) removeIfEmpty(path);
    throw error;
  }
}

function makeDirectory(path: string): boolean {
  makeDirectories(dirname(path));
  try {
    mkdirSync(path, { mode: REPOSITORY_MODE });
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!hasCode(error, "ENOTEMPTY", "ENOENT")) throw error; // somebody else uses or removed it by now
  }
}

function initAt(fd: number, path: string, wanted: Metadata, options: InitOptions): InitOutcome {
  let present = readPresent(fd, path, options.reset ?? false);
  const objectsHash = present === null ? inferHash(fd) : present.hash;
  const discard = (options.reset && options.discardObjects) ?? false;
  if (objectsHash !== null && objectsHash !== wanted.hash && !discard && (options.reset || present === null)) {
    throw new ComposefsError(
      "REPO_CONFIG_MISMATCH",
      `repository ${path} holds ${objectsHash} objects; it cannot be initialized with ${wanted.hash}`,
      {
        details: { path, found: objectsHash, wanted: wanted.hash },
        hint: `use ${algorithmName(objectsHash)} or another directory; --reset-metadata --discard-objects removes them`,
      },
    );
  }
  const bytes = encodeMetadata(wanted.hash, wanted.erofs);
  const verity = options.insecure ? null : wanted.hash;
  if (options.reset) {
    resetMetadata(fd, path, bytes, { verity, discard });
    return "created";
  }
  if (present === null && objectsHash !== null && options.ensure) {
    // As opening it would: the objects tell whether it requires fs-verity.
    if (upgradeOldRepository(fd, wanted.erofs)) return "upgraded";
  }
  if (present === null && objectsHash !== null) {
    throw new ComposefsError("REPO_OLD_FORMAT", `repository ${path} has objects but no ${METADATA_NAME}`, {
      details: { path },
      hint: "any command upgrades it in place, or `init --ensure`; `init --reset-metadata` drops its names",
    });
  }
  if (present === null) {
    try {
      writeFileOnce(fd, METADATA_NAME, bytes, verity);
      return "created";
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw atPath(error, `${path}/${METADATA_NAME}`);
      present = readMetadata(fd, path); // somebody else was faster
      if (present === null) throw error;
    }
  }
  if (options.ensure && present.hash === wanted.hash) return "preserved";
  if (describe(present) === describe(wanted)) return "already-initialized";
  throw new ComposefsError(
    "REPO_CONFIG_MISMATCH",
    `repository ${path} is already initialized with different configuration (${describe(present)}); ` +
      `cannot re-initialize with (${describe(wanted)})`,
    { details: { path }, hint: "keep it with --ensure, or remove its names with --reset-metadata" },
  );
}

// A meta.json that cannot be read is what a reset is for; the objects then tell the hash.
function readPresent(fd: number, path: string, reset: boolean): Metadata | null {
  try {
    return readMetadata(fd, path);
  } catch (error) {
    if (reset && error instanceof ComposefsError && error.code === "REPO_METADATA_INVALID") return null;
    throw error;
  }
}

// The new file is complete before anything goes, so that a refusal (no fs-verity, no space) loses nothing.
function resetMetadata(
  fd: number,
  path: string,
  bytes: Uint8Array,
  { verity, discard }: { readonly verity: HashName | null; readonly discard: boolean },
): void {
  const temporary = `.${METADATA_NAME}-${randomText(12)}`;
  try {
    writeFileOnce(fd, temporary, bytes, verity);
    const names = ["streams", "images", ...(discard ? ["objects"] : [])];
    for (const name of names) rmSync(fdPath(fd, name), { recursive: true, force: true });
    renameSync(fdPath(fd, temporary), fdPath(fd, METADATA_NAME));
  } catch (error) {
    rmSync(fdPath(fd, temporary), { force: true });
    throw atPath(error, `${path}/${METADATA_NAME}`);
  }
}

function describe(metadata: Metadata): string {
  const { erofs } = metadata;
  const extra = erofs.extra.map((version) => `+V${version}`).join("");
  return `algorithm: ${algorithmName(metadata.hash)}, erofs_version: V${erofs.default}${extra}`;
}
