import { binding } from "./binding.ts";
import { checkResult, KernelError } from "./errors.ts";

/** Hash algorithms of fs-verity. */
export type HashName = "sha256" | "sha512";

/** Number of an algorithm in the kernel's interface and in fs-verity descriptors. */
export const ALGORITHM_NUMBER = { sha256: 1, sha512: 2 } as const;
/** Digest length in bytes. */
export const DIGEST_BYTES = { sha256: 32, sha512: 64 } as const;

const ENOTTY = 25;
const ENODATA = 61;
const EOPNOTSUPP = 95;

/** fs-verity digest of `data` (4096-byte blocks, no salt), computed on this thread. */
export function verityDigest(data: Uint8Array, hash: HashName): Uint8Array {
  return binding.verityDigest(data, ALGORITHM_NUMBER[hash]);
}

/** A digest, or why there is none. */
export type DigestOutcome = { readonly digest: Uint8Array } | { readonly error: KernelError };

/** fs-verity digests of the contents of open files, computed in parallel on the native threads; offsets stay as they are. */
export async function verityDigestFds(fds: readonly number[], hash: HashName): Promise<DigestOutcome[]> {
  const length = DIGEST_BYTES[hash];
  const { digests, errnos } = await binding.verityDigestFds(Int32Array.from(fds), ALGORITHM_NUMBER[hash]);
  return fds.map((_, i) =>
    errnos[i] === 0
      ? { digest: digests.subarray(i * length, (i + 1) * length) }
      : { error: new KernelError(errnos[i] as number, "read") },
  );
}

/** Digest of a file in hexadecimal: as the kernel holds it (`measured`) or as its content hashes; or why there is none. */
export type FileDigest =
  | { readonly id: string; readonly measured: boolean }
  | { readonly failure: "no-verity" | "not-regular" }
  | { readonly failure: "open" | "read" | "verity"; readonly error: KernelError };

// Numbers shared with cpp/verity_binding.cc.
const HASHED = 0;
const MEASURED = 1;
const FAILURES = ["no-verity", "open", "not-regular", "read", "verity"] as const;
const SYSCALLS = { open: "openat2", read: "read", verity: "ioctl" } as const;

/**
 * fs-verity digests of files beneath an open directory, in parallel on the native threads and in the order of `paths`.
 * No symlink is followed. With `requireVerity` no content is read: a file the kernel has no digest of this hash for is
 * `no-verity`.
 *
 * @param paths byte strings: one character (latin1) for each byte
 */
export async function digestFiles(
  dirFd: number,
  paths: readonly string[],
  hash: HashName,
  options: { readonly requireVerity: boolean },
): Promise<FileDigest[]> {
  const length = DIGEST_BYTES[hash];
  const ends = new Uint32Array(paths.length);
  let end = 0;
  paths.forEach((path, i) => {
    end += path.length;
    ends[i] = end;
  });
  const packed = Buffer.from(paths.join(""), "latin1");
  const result = await binding.digestFiles(dirFd, packed, ends, ALGORITHM_NUMBER[hash], options.requireVerity);
  const { digests, outcomes, errnos } = result;
  return Array.from(outcomes, (outcome, i): FileDigest => {
    if (outcome === HASHED || outcome === MEASURED) {
      return { id: digests.toString("hex", i * length, (i + 1) * length), measured: outcome === MEASURED };
    }
    const failure = FAILURES[outcome - MEASURED - 1] as (typeof FAILURES)[number];
    if (failure === "no-verity" || failure === "not-regular") return { failure };
    return {
      failure,
      error: new KernelError(errnos[i] as number, SYSCALLS[failure], Buffer.from(paths[i] as string, "latin1")),
    };
  });
}

/**
 * FS_IOC_ENABLE_VERITY with 4096-byte blocks on a read-only descriptor.
 *
 * @returns `enabled`, `already-enabled`, or `unsupported` by the file system
 * @throws KernelError any other failure; `ETXTBSY` while somebody has the file open for writing
 */
export function enableVerity(fd: number, hash: HashName): "enabled" | "already-enabled" | "unsupported" {
  const EEXIST = 17;
  const result = binding.enableVerity(fd, ALGORITHM_NUMBER[hash]);
  if (result === -EEXIST) return "already-enabled";
  if (result === -ENOTTY || result === -EOPNOTSUPP) return "unsupported";
  checkResult(result, "ioctl");
  return "enabled";
}

/**
 * FS_IOC_MEASURE_VERITY: the digest the kernel holds for a file.
 *
 * @returns the digest, or null when the file has no fs-verity or the file system does not know it
 * @throws KernelError any other failure; `EOVERFLOW` when the file's algorithm is not `hash`
 */
export function measureVerity(fd: number, hash: HashName): Uint8Array | null {
  const result = binding.measureVerity(fd, ALGORITHM_NUMBER[hash]);
  if (typeof result !== "number") return result;
  if (result === -ENODATA || result === -ENOTTY || result === -EOPNOTSUPP) return null;
  throw new KernelError(-result, "ioctl");
}

/** Hash implementations this processor can run, best first. For tests and benchmarks. */
export function hashImplementations(): readonly string[] {
  return binding.hashImplementations();
}

/** Makes `name` the implementation in use; false when the processor lacks it. For tests and benchmarks. */
export function useHashImplementation(name: string): boolean {
  return binding.useHashImplementation(name);
}
