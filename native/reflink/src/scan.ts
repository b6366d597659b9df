import { binding, type NativeScanColumns, type NativeScanFailure } from "./binding.ts";
import { type ObjectStore, type StoreFailure, storeFailure, storeHandle } from "./object-store.ts";
import { ALGORITHM_NUMBER, type HashName } from "./verity.ts";

/** What a node is; the number in {@link ScannedTree} is the index here. */
export const SCAN_KINDS = ["directory", "inline", "external", "symlink", "char", "block", "fifo", "socket"] as const;
export type ScanKind = (typeof SCAN_KINDS)[number];

/**
 * A directory tree as columns, which costs the same handful of objects for any number of files.
 *
 * Nodes come in depth-first order with names in bytewise order, the root first; a node is listed once however many
 * names it has. Entries come in the same order, each after the node of its parent. Contents, names and the two halves
 * of the xattr pairs lie one after the other, with their lengths in a column of their own.
 */
export interface ScannedTree extends Readonly<NativeScanColumns> {}

/** Why a scan ended early; `path` is beneath the scanned directory, empty for itself. */
export type ScanFailure =
  | { readonly reason: "kernel"; readonly path: Uint8Array; readonly syscall: string; readonly errno: number }
  /** readdir and fstat told of different types. */
  | { readonly reason: "type-changed"; readonly path: Uint8Array; readonly expected: string; readonly found: string }
  /** The file had another size in bytes when it was read. */
  | { readonly reason: "size-changed"; readonly path: Uint8Array; readonly expected: number; readonly found: number }
  /** The object store refused the file. */
  | { readonly reason: "store"; readonly path: Uint8Array; readonly failure: StoreFailure }
  | { readonly reason: "cancelled"; readonly path: Uint8Array };

/** How to scan. */
export interface ScanDirectoryOptions {
  readonly hash: HashName;
  /** Regular files up to this size in bytes come with their content, larger ones with their fs-verity digest. */
  readonly inlineLimit: number;
  /** Makes the larger files objects here, on the way; of the same hash. */
  readonly store?: ObjectStore | null | undefined;
  readonly signal?: AbortSignal | undefined;
}

// Numbers shared with cpp/scan.h.
const TYPE_CHANGED = 8;
const SIZE_CHANGED = 9;
const STORE = 10;
const CANCELLED = 11;
const SYSCALLS = ["", "openat", "fstat", "getdents64", "listxattr", "getxattr", "readlinkat", "read"];

/** File types by the numbers of readdir. */
const FILE_TYPES: Readonly<Record<number, string>> = {
  0: "unknown",
  1: "fifo",
  2: "character device",
  4: "directory",
  6: "block device",
  8: "regular file",
  10: "symlink",
  12: "socket",
};

/**
 * Reads the whole tree beneath the open directory `dirFd` on the native threads, following no symlink and skipping
 * nothing. The first failure ends it.
 *
 * @throws TypeError the store is of another hash; the reason of an aborted `signal`
 */
export async function scanDirectory(
  dirFd: number,
  options: ScanDirectoryOptions,
): Promise<{ readonly tree: ScannedTree } | { readonly failure: ScanFailure }> {
  const { hash, inlineLimit, store = null, signal } = options;
  if (store !== null && store.hash !== hash)
    throw new TypeError(`a store of ${store.hash} objects for a scan with ${hash}`);
  signal?.throwIfAborted();
  const cancel = new Int32Array(1);
  const onAbort = (): void => {
    Atomics.store(cancel, 0, 1);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const handle = store === null ? null : storeHandle(store);
    const { columns, failure } = await binding.scanDirectory(
      dirFd,
      ALGORITHM_NUMBER[hash],
      inlineLimit,
      handle,
      cancel,
    );
    signal?.throwIfAborted();
    return failure === null ? { tree: columns } : { failure: describe(failure) };
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

function describe(native: NativeScanFailure): ScanFailure {
  const { step, errno, path, expectedType, foundType, expectedSize, foundSize, outcome } = native;
  switch (step) {
    case TYPE_CHANGED: {
      const name = (type: number): string => FILE_TYPES[type] ?? "unknown";
      return { reason: "type-changed", path, expected: name(expectedType), found: name(foundType) };
    }
    case SIZE_CHANGED:
      return { reason: "size-changed", path, expected: expectedSize, found: foundSize };
    case STORE:
      return { reason: "store", path, failure: storeFailure(outcome, errno, foundSize, path) };
    case CANCELLED:
      return { reason: "cancelled", path };
    default:
      return { reason: "kernel", path, syscall: SYSCALLS[step] ?? "scan", errno };
  }
}
