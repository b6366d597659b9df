import type { ByteString } from "../tree/node.ts";
import type { DumpfileLine } from "./line.ts";

const SHORT: Readonly<Record<string, string>> = { "\\": "\\", n: "\n", r: "\r", t: "\t" };

/**
 * Undoes the escapes of a field (erofs-image.md §8.1).
 *
 * @param text the column's text, or the part of it that begins at `offset`
 * @throws ComposefsError `DUMPFILE_INVALID` an unknown or unfinished escape
 */
export function unescapeField(line: DumpfileLine, column: number, text: string, offset = 0): ByteString {
  let at = text.indexOf("\\");
  if (at < 0) return text as ByteString;
  let result = "";
  let done = 0;
  while (at >= 0) {
    result += text.slice(done, at);
    const kind = text[at + 1];
    if (kind === "x") {
      const pair = text.slice(at + 2, at + 4);
      // A plus sign counts as a digit's sign in the reference, so `\x+9` is a tab.
      if (!/^(?:[0-9a-fA-F]{2}|\+[0-9a-fA-F])$/.test(pair)) {
        const what =
          pair.length < 2 ? "the field ends inside the escape \\x" : "expected two hexadecimal digits after \\x";
        throw line.problem(column, what, { offset: offset + at });
      }
      result += String.fromCharCode(Number.parseInt(pair, 16));
      done = at + 4;
    } else {
      const short = kind === undefined ? undefined : SHORT[kind];
      if (short === undefined) {
        const what = kind === undefined ? "the field ends after a backslash" : "unknown escape";
        throw line.problem(column, what, {
          offset: offset + at,
          hint: "the escapes are \\\\, \\n, \\r, \\t and \\xNN; a backslash itself is written \\\\",
        });
      }
      result += short;
      done = at + 2;
    }
    at = text.indexOf("\\", done);
  }
  return (result + text.slice(done)) as ByteString;
}
