import { columnName } from "./format.ts";
import type { DumpfileLine } from "./line.ts";

const U32_MAX = 2 ** 32 - 1;
const U64_MAX = 2n ** 64n - 1n;
const ZERO = 0x30;
const PLUS = 0x2b;

const ONE_SPACE = "columns are separated by exactly one space";

/** What {@link digits} answers for text that is no number. */
const NOT_A_NUMBER = -1;

/**
 * An unsigned number of 32 bits; a `+` before it passes.
 *
 * @param text the column's text, or the part of it that begins at `offset`
 * @throws ComposefsError `DUMPFILE_INVALID`
 */
export function parseU32(line: DumpfileLine, column: number, text: string, base: 8 | 10 = 10, offset = 0): number {
  const value = digits(text, base);
  if (value >= 0 && value <= U32_MAX) return value;
  throw numberProblem(line, column, text, offset, value, `${base === 8 ? "an octal" : "a decimal"} number below 2^32`);
}

/** An unsigned number of 64 bits; see {@link parseU32}. @throws ComposefsError `DUMPFILE_INVALID` */
export function parseU64(line: DumpfileLine, column: number, text: string, offset = 0): bigint {
  const value = digits(text, 10);
  if (value !== NOT_A_NUMBER) {
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value);
    const exact = BigInt(text.startsWith("+") ? text.slice(1) : text);
    if (exact <= U64_MAX) return exact;
  }
  throw numberProblem(line, column, text, offset, value, "a decimal number below 2^64");
}

/** The value, exact up to 2^53 and about right above. */
function digits(text: string, base: 8 | 10): number {
  const first = text.charCodeAt(0) === PLUS ? 1 : 0;
  if (text.length === first) return NOT_A_NUMBER;
  let value = 0;
  for (let i = first; i < text.length; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (digit < 0 || digit >= base) return NOT_A_NUMBER;
    value = value * base + digit;
  }
  return value;
}

function numberProblem(
  line: DumpfileLine,
  column: number,
  text: string,
  offset: number,
  value: number,
  expected: string,
): Error {
  if (text === "" && offset === 0) {
    return line.problem(column, `expected ${expected}, found nothing`, { hint: ONE_SPACE });
  }
  const tab = line.fields.findIndex((field) => field.includes("\t"));
  let hint: string | undefined;
  if (tab >= 0) hint = `${ONE_SPACE}; ${columnName(tab)} holds a tab`;
  else if (text === "-") hint = "only PAYLOAD, CONTENT and DIGEST can be '-'";
  return line.problem(column, `expected ${expected}, ${finding(text, value)}`, {
    offset,
    ...(hint === undefined ? {} : { hint }),
  });
}

function finding(text: string, value: number): string {
  if (value !== NOT_A_NUMBER) return "found a greater one";
  if (text === "") return "found nothing";
  return text.startsWith("-") ? "found a minus sign" : "found something else";
}
