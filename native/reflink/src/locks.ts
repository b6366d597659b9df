import { binding } from "./binding.ts";
import { KernelError } from "./errors.ts";

/** What a lock call asks for. */
export type LockType = "shared" | "exclusive" | "unlock";

const EAGAIN = 11;
const EACCES = 13;
const OFD_TYPES = { shared: 0, exclusive: 1, unlock: 2 } as const;
const FLOCK_OPERATIONS = { shared: 1, exclusive: 2, unlock: 8 } as const;

/**
 * Open-file-description lock (`F_OFD_SETLK`) over the whole file, without waiting. It excludes the record locks of
 * podman and lasts until unlocked or until the last descriptor of this open is closed.
 *
 * @returns false when another holder is in the way
 * @throws KernelError any other failure
 */
export function tryOfdLock(fd: number, type: LockType): boolean {
  return attempt(binding.ofdLock(fd, OFD_TYPES[type]), "fcntl");
}

/** flock(2) without waiting; returns false when another holder is in the way. @throws KernelError */
export function tryFlock(fd: number, type: LockType): boolean {
  return attempt(binding.flock(fd, FLOCK_OPERATIONS[type]), "flock");
}

function attempt(result: number, syscall: string): boolean {
  if (result >= 0) return true;
  if (-result === EAGAIN || -result === EACCES) return false;
  throw new KernelError(-result, syscall);
}
