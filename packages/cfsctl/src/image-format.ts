import type { ErofsVersion, HashName } from "@composefs/core";
import type { GlobalOptions } from "./options.ts";
import { repositoryPath, withRepository } from "./repository.ts";
import { UsageError } from "./usage-error.ts";

/** What an image is made with. */
export interface ImageFormat {
  readonly hash: HashName;
  readonly version: ErofsVersion;
}

/** Format of images where neither a repository nor an option says. */
const DEFAULT_FORMAT: ImageFormat = { hash: "sha512", version: 1 };

/** Why there may be no repository to ask; a damaged one is no such reason. */
const NO_REPOSITORY: ReadonlySet<unknown> = new Set([
  "REPO_NOT_FOUND",
  "REPO_METADATA_MISSING",
  "REPO_OLD_FORMAT",
  "REPO_CONFIG_MISMATCH",
  "EACCES",
]);

/** EROFS format that an option of the command line asks for. */
export function chosenVersion({ erofsVersion }: GlobalOptions): ErofsVersion | undefined {
  return erofsVersion === undefined ? undefined : (Number(erofsVersion) as ErofsVersion);
}

/**
 * The format for commands that do without a repository (cli.md §1.2): that of the repository which the options mean, so
 * that the id is that of `create-image`; where there is none, or one of another hash than `--hash`, by the options alone.
 */
export async function imageFormat(options: GlobalOptions): Promise<ImageFormat> {
  const found = options.repo === false ? null : await repositoryFormat(options);
  return {
    hash: found?.hash ?? options.hash ?? DEFAULT_FORMAT.hash,
    version: chosenVersion(options) ?? found?.version ?? DEFAULT_FORMAT.version,
  };
}

async function repositoryFormat(options: GlobalOptions): Promise<ImageFormat | null> {
  try {
    await repositoryPath(options);
  } catch (error) {
    if (error instanceof UsageError) return null; // no home directory, hence no repository in it
    throw error;
  }
  try {
    return await withRepository(options, async ({ hash, erofs }) => ({ hash, version: erofs.default }));
  } catch (error) {
    if (NO_REPOSITORY.has((error as { readonly code?: unknown }).code)) return null;
    throw error;
  }
}
