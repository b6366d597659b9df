import { getSystemErrorMessage, getSystemErrorName } from "./system-errors.ts";

/** A system call that failed, with the fields Node's own file system errors have. */
export class KernelError extends Error {
  override readonly name = "KernelError";
  /** Negative errno, as in Node's errors. */
  readonly errno: number;
  /** Symbolic name: `ENOSPC`, `EIO`, … */
  readonly code: string;
  readonly syscall: string;
  readonly path: string | undefined;

  /** @param errno positive errno as the kernel gave it */
  constructor(errno: number, syscall: string, path?: string | Uint8Array) {
    const code = getSystemErrorName(errno);
    const shown = path === undefined || typeof path === "string" ? path : Buffer.from(path).toString("utf8");
    super(`${code}: ${getSystemErrorMessage(errno)}, ${syscall}${shown === undefined ? "" : ` '${shown}'`}`);
    this.errno = -errno;
    this.code = code;
    this.syscall = syscall;
    this.path = shown;
  }
}

/** Throws a {@link KernelError} when `result` is a negative errno; otherwise hands it back. */
export function checkResult(result: number, syscall: string, path?: string | Uint8Array): number {
  if (result < 0) throw new KernelError(-result, syscall, path);
  return result;
}
