import { type Finding, findingText } from "./finding.ts";

/** How many things of a kind were looked at, and how many of them were bad. */
export interface Tally {
  readonly checked: number;
  readonly bad: number;
}

/** What fsck found. */
export interface FsckReport {
  /** Nothing is wrong, or nothing is any more after a repair. */
  readonly ok: boolean;
  readonly metadata: "ok" | "error" | "absent";
  readonly objects: Tally;
  /** First-level entries; one that only lacks objects it refers to counts as good, as with the reference. */
  readonly streams: Tally;
  readonly images: Tally;
  readonly brokenLinks: number;
  /** References to objects that are not there. */
  readonly missingObjects: number;
  readonly findings: readonly Finding[];
  /** Paths a repair removed, in the order it did. */
  readonly repaired: readonly string[];
}

/** The report in the shape of `fsck --json` (repository.md §6), keys in the reference's order. */
export function fsckJson(report: FsckReport): Record<string, unknown> {
  return {
    ok: report.ok,
    has_metadata: report.metadata !== "absent",
    objects_checked: report.objects.checked,
    objects_corrupted: report.objects.bad,
    streams_checked: report.streams.checked,
    streams_corrupted: report.streams.bad,
    images_checked: report.images.checked,
    images_corrupted: report.images.bad,
    broken_links: report.brokenLinks,
    missing_objects: report.missingObjects,
    errors: report.findings.map((found) => findingText(found)),
    ...(report.repaired.length > 0 ? { repaired: report.repaired } : {}),
  };
}

/** The report as the lines that `fsck` prints. */
export function fsckLines(report: FsckReport): string[] {
  const tally = ({ checked, bad }: Tally): string => `${checked - bad}/${checked} ok`;
  const { findings, brokenLinks, missingObjects } = report;
  return [
    `meta.json: ${report.metadata}`,
    `objects: ${tally(report.objects)}`,
    `streams: ${tally(report.streams)}`,
    `images: ${tally(report.images)}`,
    ...(brokenLinks > 0 ? [`broken symlinks: ${brokenLinks}`] : []),
    ...(missingObjects > 0 ? [`missing objects: ${missingObjects}`] : []),
    ...report.repaired.map((path) => `repaired: removed ${path}`),
    findings.length > 0 ? `status: ${findings.length} error(s)` : "status: ok",
    ...findings.map((found) => `  - ${findingText(found)}`),
  ];
}
