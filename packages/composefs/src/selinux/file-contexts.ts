import type { LeafContent } from "../tree/node.ts";
import { invalidPolicy, policyLines } from "./policy-lines.ts";

/** The kind of an inode as a policy writes it. */
export type FileType = "-" | "d" | "l" | "c" | "b" | "p" | "s";

/** A line of a `file_contexts` file. */
export interface FileRule {
  readonly path: string;
  readonly line: number;
  /** Regular expression over the whole path. */
  readonly regex: string;
  /** Inodes it is for; null: all. */
  readonly type: FileType | null;
  /** The label; null for `<<none>>`. */
  readonly context: string | null;
}

const TYPES: ReadonlySet<string> = new Set(["--", "-d", "-l", "-c", "-b", "-p", "-s"]);

/**
 * Parses a `file_contexts` file: lines `REGEX [TYPE] CONTEXT`.
 *
 * @param path names the file in errors
 * @throws ComposefsError `SELINUX_POLICY_INVALID`
 * @see oci.md §6.1
 */
export function* parseFileContexts(bytes: Uint8Array, path: string): Generator<FileRule, void, undefined> {
  for (const { number: line, words } of policyLines(bytes, path)) {
    const [regex = "", ...rest] = words;
    const typed = rest[0]?.startsWith("-") ? rest.shift() : undefined;
    if (typed !== undefined && !TYPES.has(typed)) {
      throw invalidPolicy(path, line, `unknown type '${typed.slice(0, 40)}', expected one of ${[...TYPES].join(" ")}`);
    }
    const [context, ...more] = rest;
    if (context === undefined || more.length > 0) {
      throw invalidPolicy(
        path,
        line,
        `expected REGEX [TYPE] CONTEXT, found ${context === undefined ? "less" : "more"}`,
      );
    }
    const type = typed === undefined ? null : (typed.slice(1) as FileType);
    yield { path, line, regex, type, context: context === "<<none>>" ? null : context };
  }
}

/** How a policy writes the kind of a leaf. */
export function fileType({ kind }: LeafContent): FileType {
  switch (kind) {
    case "symlink":
      return "l";
    case "char":
      return "c";
    case "block":
      return "b";
    case "fifo":
      return "p";
    case "socket":
      return "s";
    default:
      return "-";
  }
}
