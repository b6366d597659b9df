import type { ByteString } from "../tree/node.ts";
import { LIMIT } from "./format.ts";
import type { DumpfileLine } from "./line.ts";
import { unescapeField } from "./unescape.ts";

/** `//`, a `/` at the end, and the components `.` and `..`. */
const NOT_CANONICAL = /\/(\.{0,2})(?:\/|$)/;

/**
 * A field that holds any path: 1 to 4096 bytes, no NUL.
 *
 * @throws ComposefsError `DUMPFILE_INVALID`
 */
export function parseAnyPath(line: DumpfileLine, column: number): ByteString {
  const path = unescapeField(line, column, line.field(column));
  if (path.length === 0) {
    throw line.problem(column, "empty path", { hint: "columns are separated by exactly one space" });
  }
  if (path.length > LIMIT.path) {
    throw line.problem(column, `path of ${path.length} bytes, expected at most ${LIMIT.path}`);
  }
  if (path.includes("\0")) throw line.problem(column, "a path cannot hold a NUL byte");
  return path;
}

/**
 * A field that holds an absolute path without `//`, `.`, `..` or a slash at the end.
 *
 * @throws ComposefsError `DUMPFILE_INVALID`
 */
export function parseCanonicalPath(line: DumpfileLine, column: number): ByteString {
  const path = parseAnyPath(line, column);
  if (path === "/") return path;
  if (!path.startsWith("/")) {
    throw line.problem(column, "expected an absolute path", {
      hint: path.startsWith("#") ? "dumpfiles have no comments" : "paths begin with '/'",
    });
  }
  const wrong = NOT_CANONICAL.exec(path);
  if (wrong !== null) {
    const what = wrong[1] === "" ? "empty path component ('//' or '/' at the end)" : `path component '${wrong[1]}'`;
    throw line.problem(column, what, { hint: "write paths in their shortest form" });
  }
  return path;
}
