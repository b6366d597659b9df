import { getSystemErrorMap } from "node:util";

/** Names that libuv's table leaves out but the calls of this package return. */
const EXTRA: ReadonlyMap<number, readonly [string, string]> = new Map([
  [15, ["ENOTBLK", "block device required"]],
  [37, ["ENOLCK", "no locks available"]],
  [61, ["ENODATA", "no data available"]],
  [129, ["EKEYREJECTED", "key was rejected by service"]],
  [116, ["ESTALE", "stale file handle"]],
]);

/** Symbolic name of a positive errno. */
export function getSystemErrorName(errno: number): string {
  const known = getSystemErrorMap().get(-errno) ?? EXTRA.get(errno);
  // The kernel's EOPNOTSUPP and ENOTSUP are one number; libuv calls it ENOTSUP.
  return known?.[0] ?? `E${errno}`;
}

/** Short description of a positive errno. */
export function getSystemErrorMessage(errno: number): string {
  return (getSystemErrorMap().get(-errno) ?? EXTRA.get(errno))?.[1] ?? "unknown error";
}
