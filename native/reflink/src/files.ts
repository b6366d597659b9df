import { binding } from "./binding.ts";
import { checkResult } from "./errors.ts";

/** `open_how.resolve` flags of openat2(2). */
export const RESOLVE = { NO_XDEV: 0x01, NO_MAGICLINKS: 0x02, NO_SYMLINKS: 0x04, BENEATH: 0x08 } as const;

/** open(2) flags that `node:fs` constants leave out (x86-64 and arm64 agree on these). */
export const O_CLOEXEC = 0o2000000;
/** `O_PATH`: a descriptor that only names a place. */
export const O_PATH = 0o10000000;

/** What {@link openat2} takes besides the path. */
export interface Openat2Options {
  /** `O_*` flags; `O_CLOEXEC` is always added. */
  readonly flags: number;
  /** Permission bits for `O_CREAT`; default 0. */
  readonly mode?: number;
  /** {@link RESOLVE} flags; default none. */
  readonly resolve?: number;
}

/**
 * Opens `path` relative to `dirFd` as openat2(2) does and returns a file descriptor that the caller closes.
 * On kernels before 5.6 a walk that refuses every symlink stands in for the `RESOLVE` flags.
 *
 * @throws KernelError the call failed; `EXDEV` or `ELOOP`: the path leaves the directory or meets a forbidden link
 */
export function openat2(dirFd: number, path: string | Uint8Array, options: Openat2Options): number {
  const bytes = typeof path === "string" ? Buffer.from(path) : path;
  return checkResult(
    binding.openat2(dirFd, bytes, options.flags | O_CLOEXEC, options.mode ?? 0, options.resolve ?? 0),
    "openat2",
    path,
  );
}

/** Opens an unnamed file (`O_TMPFILE`) for writing in the file system of `dirFd`. @throws KernelError */
export function openTmpfile(dirFd: number, mode: number): number {
  return checkResult(binding.openTmpfile(dirFd, mode), "openat");
}

/** Gives the unnamed file `fd` a name beneath `dirFd`. @throws KernelError `EEXIST` when the name is taken */
export function linkFd(fd: number, dirFd: number, path: string | Uint8Array): void {
  checkResult(binding.linkFd(fd, dirFd, typeof path === "string" ? Buffer.from(path) : path), "linkat", path);
}

/** syncfs(2) on a thread of the pool: everything written to the file system of `fd` is on disk. @throws KernelError */
export async function syncfs(fd: number): Promise<void> {
  checkResult(await binding.syncfs(fd), "syncfs");
}

/** `f_type` of statfs(2): the magic number of the file system that holds `fd`. @throws KernelError */
export function fileSystemType(fd: number): number {
  return checkResult(binding.statfsType(fd), "fstatfs");
}
