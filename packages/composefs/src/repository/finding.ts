import { type BytePath, shownPath } from "./byte-path.ts";

/** Kinds of findings of fsck (repository.md §6). Garbage collection uses the same words. */
export type FindingKind =
  | "object-invalid-name"
  | "object-open-failed"
  | "object-digest-mismatch"
  | "object-verity-failed"
  | "object-verity-missing"
  | "entry-not-symlink"
  | "broken-symlink"
  | "stat-failed"
  | "unexpected-file-type"
  | "stream-open-failed"
  | "missing-object-ref"
  | "stream-read-failed"
  | "missing-named-ref"
  | "object-check-failed"
  | "image-open-failed"
  | "image-read-failed"
  | "image-invalid"
  | "image-missing-object"
  | "metadata-parse-failed"
  | "metadata-algorithm-mismatch";

/** Something wrong in a repository. */
export interface Finding {
  readonly kind: FindingKind;
  /** Path beneath the repository, as text. */
  readonly path: string;
  readonly detail?: string;
}

/** Makes a finding about a path. */
export function finding(kind: FindingKind, path: BytePath, detail?: string): Finding {
  return { kind, path: shownPath(path), ...(detail === undefined ? {} : { detail }) };
}

/** The finding as one line: `fsck: <kind>: <path>[: <detail>]`. @param command the word before the first colon */
export function findingText({ kind, path, detail }: Finding, command: "fsck" | "gc" = "fsck"): string {
  return `${command}: ${kind}: ${path}${detail === undefined ? "" : `: ${detail}`}`;
}

/** Message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
