import { isUtf8 } from "node:buffer";
import { ComposefsError } from "../errors.ts";

/** A line of a policy's file in its words. */
export interface PolicyLine {
  /** From 1. */
  readonly number: number;
  readonly words: readonly string[];
}

/** Unicode's White_Space, which is not what `\s` of JavaScript is. */
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/**
 * The lines of a policy's file that are neither empty nor comments, in words, one by one: there may be millions.
 *
 * @param path names the file in errors
 * @throws ComposefsError `SELINUX_POLICY_INVALID` it is not UTF-8
 */
export function* policyLines(bytes: Uint8Array, path: string): Generator<PolicyLine, void, undefined> {
  const text = utf8Text(bytes, path);
  let start = 0;
  for (let number = 1; start < text.length; number++) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const words = text
      .slice(start, end)
      .split(SPACE)
      .filter((word) => word !== "");
    if (words[0] !== undefined && !words[0].startsWith("#")) yield { number, words };
    start = end + 1;
  }
}

/** The bytes of a policy's file as text. @throws ComposefsError `SELINUX_POLICY_INVALID` they are not UTF-8 */
export function utf8Text(bytes: Uint8Array, path: string): string {
  if (!isUtf8(bytes)) throw invalidPolicy(path, undefined, "expected UTF-8, found other bytes");
  return Buffer.from(bytes).toString("utf8");
}

/** The text without {@link SPACE} at its ends. */
export function trimmed(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && SPACE.test(text[start] as string)) start++;
  while (end > start && SPACE.test(text[end - 1] as string)) end--;
  return text.slice(start, end);
}

/** An error about a policy's file. */
export function invalidPolicy(path: string, line: number | undefined, problem: string): ComposefsError {
  const place = line === undefined ? path : `${path}, line ${line}`;
  return new ComposefsError("SELINUX_POLICY_INVALID", `${place}: ${problem}`, {
    details: { path, line: line ?? null, problem },
    hint: "the policy of the image is damaged; with its labels it would not boot",
  });
}
