import { shownPath } from "./byte-path.ts";
import { type Finding, messageOf } from "./finding.ts";
import { checkNames } from "./fsck-names.ts";
import { checkObjects } from "./fsck-objects.ts";
import { repair } from "./fsck-repair.ts";
import type { FsckReport } from "./fsck-report.ts";
import { type FsckContext, FsckTally } from "./fsck-tally.ts";
import { METADATA_NAME, readMetadata } from "./metadata-file.ts";

/** How to check. */
export interface FsckOptions {
  /** Leave out the contents of objects; default false. */
  readonly metadataOnly?: boolean | undefined;
  /** Remove broken symlinks and leftover temporary files, nothing else; default false. */
  readonly repair?: boolean | undefined;
  /** Told of each finding as it is made. */
  readonly onFinding?: ((found: Finding) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Checks meta.json, objects, streams and images (repository.md §6). Findings come in that order, bytewise by path in
 * each, the same for the same repository.
 *
 * The caller holds the repository's shared lock, for a repair the exclusive one.
 *
 * @throws node:fs errors where the repository cannot be listed
 */
export async function checkRepository(context: FsckContext, options: FsckOptions = {}): Promise<FsckReport> {
  const { signal } = options;
  const tally = new FsckTally(options.onFinding);
  const metadata = checkMetadata(context, tally);
  const objects = await checkObjects(context, tally, !options.metadataOnly, signal);
  const names = new FsckTally();
  try {
    await checkNames(context, names, objects.present, "streams", signal);
    await checkNames(context, names, objects.present, "images", signal);
  } finally {
    await objects.finish();
  }
  tally.append(names);
  const repaired = options.repair ? repair(context.repositoryFd, tally.brokenLinks).map(shownPath) : [];
  const mended = new Set(repaired);
  return {
    ok: tally.findings.every(({ kind, path }) => kind === "broken-symlink" && mended.has(path)),
    metadata,
    objects: tally.objects,
    streams: tally.streams,
    images: tally.images,
    brokenLinks: tally.brokenLinks.length,
    missingObjects: tally.missingObjects,
    findings: tally.findings,
    repaired,
  };
}

function checkMetadata({ repositoryFd, path, hash }: FsckContext, tally: FsckTally): FsckReport["metadata"] {
  try {
    const metadata = readMetadata(repositoryFd, path);
    if (metadata === null) return "absent";
    if (metadata.hash === hash) return "ok";
    tally.add("metadata-algorithm-mismatch", METADATA_NAME, `${metadata.hash}, opened as ${hash}`);
  } catch (error) {
    tally.add("metadata-parse-failed", METADATA_NAME, messageOf(error));
  }
  return "error";
}
