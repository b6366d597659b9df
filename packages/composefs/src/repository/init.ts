import { closeSync, constants, mkdirSync, openSync, rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { algorithmName } from "../fsverity/algorithm.ts";
import { atPath, fdPath, hasCode, writeFileOnce } from "./directory.ts";
import { type ErofsFormats, encodeMetadata, type Metadata } from "./metadata.ts";
import { METADATA_NAME, readMetadata } from "./metadata-file.ts";
import { inferHash } from "./old-format.ts";

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
  /** Remove `streams/`, `images/` and meta.json first; objects stay. Refused when the hash would change. */
  readonly reset?: boolean;
}

/** What {@link initRepository} found and did. */
export type InitOutcome = "created" | "already-initialized" | "preserved" | "upgraded";

const REPOSITORY_MODE = 0o700;
const DEFAULT_FORMATS: ErofsFormats = { default: 1, extra: [] };

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
    if (made) rmdirSync(path);
    throw error;
  }
}

function makeDirectory(path: string): boolean {
  mkdirSync(dirname(path), { recursive: true });
  try {
    mkdirSync(path, { mode: REPOSITORY_MODE });
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  }
}

function initAt(fd: number, path: string, wanted: Metadata, options: InitOptions): InitOutcome {
  let present = readMetadata(fd, path);
  const objectsHash = present === null ? inferHash(fd) : present.hash;
  if (objectsHash !== null && objectsHash !== wanted.hash && (options.reset || present === null)) {
    throw new ComposefsError(
      "REPO_CONFIG_MISMATCH",
      `repository ${path} holds ${objectsHash} objects; it cannot be initialized with ${wanted.hash}`,
      {
        details: { path, found: objectsHash, wanted: wanted.hash },
        hint: `use ${algorithmName(objectsHash)}, or another directory`,
      },
    );
  }
  if (options.reset) {
    for (const name of ["streams", "images", METADATA_NAME]) rmSync(fdPath(fd, name), { recursive: true, force: true });
    present = null;
  }
  if (present === null && objectsHash !== null && !options.reset && !options.ensure) {
    throw new ComposefsError("REPO_OLD_FORMAT", `repository ${path} has objects but no ${METADATA_NAME}`, {
      details: { path },
      hint: "any command upgrades it in place, or `init --ensure`; `init --reset-metadata` drops its names",
    });
  }
  if (present === null) {
    try {
      const bytes = encodeMetadata(wanted.hash, wanted.erofs);
      writeFileOnce(fd, METADATA_NAME, bytes, options.insecure ? null : wanted.hash);
      return objectsHash !== null && options.ensure ? "upgraded" : "created";
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

function describe(metadata: Metadata): string {
  const { erofs } = metadata;
  const extra = erofs.extra.map((version) => `+V${version}`).join("");
  return `algorithm: ${algorithmName(metadata.hash)}, erofs_version: V${erofs.default}${extra}`;
}
