import { type FsckReport, fsckJson, fsckLines, type Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { resolveImage } from "../image/resolve-image.ts";
import { listTags } from "../image/tags.ts";
import { type CheckDepth, checkImage } from "./check-image.ts";
import { type OciFinding, ociFindingText } from "./finding.ts";

/** What to check. */
export interface OciFsckOptions {
  /** Only this image, by anything `resolveImage` takes; default every tagged one. The repository is checked in any case. */
  readonly image?: string | undefined;
  /** Leave out the contents of objects; default false. */
  readonly metadataOnly?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the check of a repository's OCI images found. */
export interface OciFsckReport {
  /** Nothing is wrong, neither with the images nor with the repository. */
  readonly ok: boolean;
  /** Names of images looked at; an image with two tags counts twice. */
  readonly imagesChecked: number;
  readonly imagesCorrupted: number;
  /** By image in bytewise order of the names. */
  readonly findings: readonly OciFinding[];
  readonly repository: FsckReport;
}

/**
 * Checks the repository as `Repository.fsck` does, then its OCI images (oci.md §5).
 *
 * @throws as `Repository.fsck`
 */
export async function fsckImages(repository: Repository, options: OciFsckOptions = {}): Promise<OciFsckReport> {
  const { image, metadataOnly, signal } = options;
  const report = await repository.fsck({ metadataOnly, signal });
  const findings: OciFinding[] = [];
  const names = image === undefined ? listTags(repository).map(({ name }) => name) : [image];
  const digests = new Map(listTags(repository).map(({ name, manifestDigest }) => [name, manifestDigest]));
  /** What is wrong with a manifest does not depend on the tag it was found by. */
  const known = new Map<OciDigest, readonly Omit<OciFinding, "image">[]>();
  let imagesCorrupted = 0;
  for (const name of names) {
    signal?.throwIfAborted();
    const found: OciFinding[] = [];
    if (image === undefined && name.startsWith("@")) {
      found.push({ kind: "invalid-ref-name", image: name, detail: "leading '@' is reserved for digest references" });
    } else {
      const digest = image === undefined ? (digests.get(name) ?? null) : await resolved(repository, name, found);
      if (digest !== null) {
        const about = known.get(digest) ?? (await check(repository, digest, { contents: !metadataOnly, signal }));
        known.set(digest, about);
        for (const one of about) found.push({ ...one, image: name });
      }
    }
    if (found.length > 0) imagesCorrupted++;
    for (const one of found) findings.push(one);
  }
  const ok = report.ok && findings.length === 0;
  return { ok, imagesChecked: names.length, imagesCorrupted, findings, repository: report };
}

async function check(
  repository: Repository,
  digest: OciDigest,
  depth: CheckDepth,
): Promise<Omit<OciFinding, "image">[]> {
  const found: Omit<OciFinding, "image">[] = [];
  await checkImage(repository, digest, depth, (kind, detail) => found.push({ kind, detail }));
  return found;
}

async function resolved(repository: Repository, name: string, found: OciFinding[]): Promise<OciDigest | null> {
  try {
    return await resolveImage(repository, name);
  } catch (error) {
    if (!(error instanceof OciError)) throw error;
    found.push({ kind: "ref-resolve-failed", image: name, detail: error.message });
    return null;
  }
}

/** The report in the shape of `oci fsck --json` (oci.md §5), keys in the reference's order. */
export function ociFsckJson(report: OciFsckReport): Record<string, unknown> {
  return {
    ok: report.ok,
    images_checked: report.imagesChecked,
    images_corrupted: report.imagesCorrupted,
    errors: report.findings.map(ociFindingText),
    repo: fsckJson(report.repository),
  };
}

/** The report as the lines that `oci fsck` prints. */
export function ociFsckLines(report: OciFsckReport): string[] {
  const { imagesChecked, imagesCorrupted, findings } = report;
  return [
    ...fsckLines(report.repository),
    `oci images: ${imagesChecked - imagesCorrupted}/${imagesChecked} ok`,
    ...(findings.length > 0 ? [`oci errors: ${findings.length}`] : []),
    ...findings.map((found) => `  - ${ociFindingText(found)}`),
  ];
}
