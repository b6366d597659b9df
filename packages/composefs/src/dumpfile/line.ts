import { ComposefsError } from "../errors.ts";
import { columnName } from "./format.ts";

/** Characters of a field shown in a message. */
const SHOWN = 60;

/** Where in a field a problem lies and what to do about it. */
export interface ProblemExtras {
  /** Byte offset in the field. */
  readonly offset?: number;
  readonly hint?: string;
}

/** A line cut into fields; each is text with one char per byte. */
export class DumpfileLine {
  /** Counted from 1. */
  readonly number: number;
  readonly fields: readonly string[];

  constructor(text: string, number: number) {
    this.number = number;
    this.fields = text.split(" ");
  }

  /** The text of a column. @throws ComposefsError `DUMPFILE_INVALID` the line ends before it */
  field(column: number): string {
    const text = this.fields[column];
    if (text !== undefined) return text;
    const last = columnName(this.fields.length - 1);
    throw dumpfileProblem(`${columnName(column)} is missing, the line ends after ${last}`, {
      line: this.number,
      column: this.fields.join(" ").length + 1,
      field: columnName(column),
      text: "",
      hint: "the columns are PATH SIZE MODE NLINK UID GID RDEV MTIME PAYLOAD CONTENT DIGEST; '-' stands for nothing",
    });
  }

  /** The error for a column, ready to be thrown. */
  problem(column: number, what: string, extras: ProblemExtras = {}): ComposefsError {
    const text = this.fields[column] ?? "";
    let position = 1 + (extras.offset ?? 0);
    for (const field of this.fields.slice(0, column)) position += field.length + 1;
    return dumpfileProblem(`${columnName(column)} ${quoted(text)}: ${what}`, {
      line: this.number,
      column: position,
      field: columnName(column),
      text: readable(text),
      ...(extras.hint === undefined ? {} : { hint: extras.hint }),
    });
  }
}

/** Place and facts of a problem. */
export interface ProblemPlace {
  readonly line: number;
  /** Byte in the line, counted from 1. */
  readonly column: number;
  readonly field?: string;
  readonly text?: string;
  readonly hint?: string;
}

/** `DUMPFILE_INVALID` with its place. */
export function dumpfileProblem(what: string, { hint, ...details }: ProblemPlace): ComposefsError {
  return new ComposefsError("DUMPFILE_INVALID", `dumpfile line ${details.line}, column ${details.column}: ${what}`, {
    details: { ...details },
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Bytes for a message: UTF-8 where they are, cut when long, control characters escaped. */
export function quoted(bytes: string): string {
  const cut = bytes.length > SHOWN;
  return JSON.stringify(readable(cut ? bytes.slice(0, SHOWN) : bytes)) + (cut ? `… (${bytes.length} bytes)` : "");
}

function readable(bytes: string): string {
  return Buffer.from(bytes.slice(0, 4096), "latin1").toString("utf8");
}
