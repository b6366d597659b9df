import { SplitfdstreamError } from "../errors.ts";
import { MAX_NAME_BYTES } from "./format.ts";

const DOT = 0x2e;
const SLASH = 0x2f;
const decoder = new TextDecoder();

/**
 * Takes a name that stays below its directory as far as its text goes; symbolic links are the business of who opens it.
 * Components that are empty or `.` are fine.
 *
 * @throws SplitfdstreamError `FILENAME_TOO_LONG`; `INVALID_FILENAME`: empty, absolute, with a NUL or a `..` component
 */
export function checkName(name: Uint8Array): void {
  if (name.length > MAX_NAME_BYTES) {
    throw nameTooLong(name.length, {});
  }
  const fault = findFault(name);
  if (fault !== null) {
    throw new SplitfdstreamError("INVALID_FILENAME", `name ${shownName(name)} ${fault}`, {
      details: { name: decoder.decode(name) },
    });
  }
}

/** The error for a name over the cap. */
export function nameTooLong(length: number, details: Readonly<Record<string, unknown>>): SplitfdstreamError {
  return new SplitfdstreamError("FILENAME_TOO_LONG", `name: expected at most ${MAX_NAME_BYTES} bytes, got ${length}`, {
    details: { ...details, length, limit: MAX_NAME_BYTES },
  });
}

/** A name to show to a person. */
export function shownName(name: Uint8Array): string {
  return JSON.stringify(decoder.decode(name));
}

function findFault(name: Uint8Array): string | null {
  if (name.length === 0) {
    return "is empty";
  }
  if (name[0] === SLASH) {
    return "is absolute";
  }
  if (name.includes(0)) {
    return "holds a NUL";
  }
  for (let start = 0; start <= name.length; ) {
    const slash = name.indexOf(SLASH, start);
    const end = slash < 0 ? name.length : slash;
    if (end - start === 2 && name[start] === DOT && name[start + 1] === DOT) {
      return "leads upwards";
    }
    start = end + 1;
  }
  return null;
}
