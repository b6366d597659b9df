import { printable } from "./printable.ts";

interface Coded {
  readonly code?: unknown;
  readonly hint?: unknown;
}

/** Characters of a message, far above any but one with text from elsewhere. */
const SHOWN_CHARS = 8192;

/** What to do about errors of the kernel, which bring no hint of their own (docs/errors.md). */
const KERNEL_HINTS: ReadonlyMap<unknown, string> = new Map([
  ["EACCES", "run as the owner of the repository"],
  ["EPERM", "run as the owner of the repository"],
  ["ENOSPC", "make room and run the command again: what was stored already is used"],
  ["EDQUOT", "make room and run the command again: what was stored already is used"],
  ["EIO", "the disk cannot be read or written there; the kernel's log says more"],
  ["EMFILE", "raise `ulimit -n`"],
  ["ENFILE", "too many files are open on this machine"],
  ["EROFS", "mount the file system read-write"],
]);

/**
 * An error as the user sees it: `Error: message [CODE]`, a hint, and its causes, whatever package it is from
 * (cli.md §1.1).
 */
export function formatError(error: unknown): string {
  const { code, hint = KERNEL_HINTS.get(code) } = (error ?? {}) as Coded;
  const lines = [`Error: ${message(error)}${typeof code === "string" ? ` [${code}]` : ""}`];
  if (typeof hint === "string") lines.push(`Hint: ${shown(hint)}`);
  const causes = causesOf(error);
  if (causes.length > 0) lines.push("", "Caused by:");
  causes.forEach((text, i) => {
    lines.push(causes.length === 1 ? `    ${text}` : `    ${i}: ${text}`);
  });
  return `${lines.join("\n")}\n`;
}

function message(error: unknown): string {
  return shown(error instanceof Error ? error.message : String(error));
}

/** What an image says of itself may be repeated, and may be megabytes. */
function shown(text: string): string {
  return printable(text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
}

/** Messages of the causes; one that only repeats the error before it is left out. */
function causesOf(error: unknown): string[] {
  const seen = new Set<unknown>([error]);
  const texts: string[] = [];
  let last = message(error);
  for (let cause = (error as Error)?.cause; cause !== undefined && cause !== null; cause = (cause as Error).cause) {
    if (seen.has(cause)) break;
    seen.add(cause);
    const text = message(cause);
    if (!last.includes(text)) texts.push(text);
    last = text;
  }
  return texts;
}
