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
