export { crc64 } from "./crc64.ts";
export { Digester, type DigestName } from "./digester.ts";
export { KernelError } from "./errors.ts";
export { MAX_MESSAGE_FDS, type ReceivedFds, receiveFds, sendFds, socketPair } from "./fd-passing.ts";
export {
  fileSystemType,
  linkFd,
  O_CLOEXEC,
  O_PATH,
  type Openat2Options,
  openat2,
  openTmpfile,
  RESOLVE,
  syncfs,
} from "./files.ts";
export { type Inflated, Inflater } from "./inflater.ts";
export { type LockType, tryFlock, tryOfdLock } from "./locks.ts";
export { applyIdMap, FsContext, MOUNT_ATTR_RDONLY, moveMount, openLoopDevice, unmount } from "./mount.ts";
export { differingObjects, listObjects, missingDigests, type ObjectListing } from "./object-directory.ts";
export {
  ObjectStore,
  type ObjectStoreOptions,
  ObjectWriter,
  objectSizes,
  openFiles,
  type ReadFile,
  readFiles,
  type SourceFile,
  type StoreFailure,
  type StoreMethod,
  type StoreOutcome,
  type StoreStep,
  setNativeThreads,
} from "./object-store.ts";
export {
  SCAN_KINDS,
  type ScanDirectoryOptions,
  type ScanFailure,
  type ScanKind,
  type ScannedTree,
  scanDirectory,
} from "./scan.ts";
export {
  ALGORITHM_NUMBER,
  DIGEST_BYTES,
  type DigestOutcome,
  digestFiles,
  enableVerity,
  type FileDigest,
  type HashName,
  hashImplementations,
  measureVerity,
  useHashImplementation,
  verityDigest,
  verityDigestFds,
} from "./verity.ts";
