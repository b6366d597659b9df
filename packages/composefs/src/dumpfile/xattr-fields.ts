import { type ByteString, bytesOf } from "../tree/node.ts";
import { COLUMN, LIMIT } from "./format.ts";
import type { DumpfileLine } from "./line.ts";
import { unescapeField } from "./unescape.ts";

/**
 * The xattrs at the end of a line (erofs-image.md §8.3, 6). Of equal keys the greatest value stays.
 *
 * @throws ComposefsError `DUMPFILE_INVALID`
 */
export function parseXattrs(line: DumpfileLine): Map<ByteString, Uint8Array> {
  const values = new Map<ByteString, Uint8Array>();
  let keyBytes = 0;
  for (let column: number = COLUMN.XATTRS; column < line.fields.length; column++) {
    const text = line.field(column);
    const equals = text.indexOf("=");
    if (equals < 0) {
      throw line.problem(column, "expected KEY=VALUE, found no '='", {
        ...(text === "" ? { hint: "there is a space too many" } : {}),
      });
    }
    const key = unescapeField(line, column, text.slice(0, equals));
    const value = bytesOf(unescapeField(line, column, text.slice(equals + 1), equals + 1));
    if (key.includes("\0")) throw line.problem(column, "an xattr's name cannot hold a NUL byte");
    if (key.length > LIMIT.xattrKey) {
      throw line.problem(column, `name of ${key.length} bytes, expected at most ${LIMIT.xattrKey}`);
    }
    if (value.length > LIMIT.xattrValue) {
      throw line.problem(column, `value of ${value.length} bytes, expected at most ${LIMIT.xattrValue}`);
    }
    keyBytes += key.length;
    if (keyBytes > LIMIT.xattrKeys) {
      throw line.problem(column, `the names of this line's xattrs have more than ${LIMIT.xattrKeys} bytes`);
    }
    const other = values.get(key);
    if (other === undefined || Buffer.compare(other, value) < 0) values.set(key, value);
  }
  return values;
}
