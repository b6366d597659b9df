import { createRequire } from "node:module";
import { arch, platform } from "node:process";

/** Opaque native handle. */
export interface NativeHandle {
  readonly __native: unique symbol;
}

/** Columns of a finished batch; row *i* belongs to item *i*. */
export interface NativeStoreResult {
  /** Rows of `idBytes` each; zero for items without object. */
  ids: Buffer;
  /** Number of {@link STORE_OUTCOME}. */
  outcomes: Uint8Array;
  /** Positive errno of a failed row. */
  errnos: Int32Array;
  /** Size found, for a row that failed by its size; length of an inline row's content. */
  sizes: Float64Array;
  /** Contents of the inline rows, one after the other. */
  inline: Buffer;
}

/** Columns of a scanned tree (`ScanColumns` in `cpp/scan.h`); {@link ScannedTree} says what they mean. */
export interface NativeScanColumns {
  kinds: Uint8Array;
  modes: Uint16Array;
  uids: Uint32Array;
  gids: Uint32Array;
  mtimeSeconds: BigInt64Array;
  mtimeNanoseconds: Uint32Array;
  sizes: Float64Array;
  contentLengths: Uint32Array;
  contents: Buffer;
  xattrCounts: Uint32Array;
  xattrs: Uint32Array;
  pairNameLengths: Uint32Array;
  pairValueLengths: Uint32Array;
  pairs: Buffer;
  entryParents: Uint32Array;
  entryNodes: Uint32Array;
  nameLengths: Uint16Array;
  names: Buffer;
}

/** Why a scan ended early; `step` as `ScanStep`, `outcome` as `Outcome` in the addon. */
export interface NativeScanFailure {
  step: number;
  errno: number;
  path: Buffer;
  expectedType: number;
  foundType: number;
  expectedSize: number;
  foundSize: number;
  outcome: number;
}

/** The addon's functions. Results below zero are negative errnos; paths are bytes without NUL. */
export interface Binding {
  openat2(dirFd: number, path: Uint8Array, flags: number, mode: number, resolve: number): number;
  /** For tests of the walk that stands in for openat2. */
  setOpenat2Available(available: boolean): void;
  /** For tests of file systems without O_TMPFILE. */
  setTmpfileAvailable(available: boolean): void;
  ofdLock(fd: number, type: number): number;
  flock(fd: number, operation: number): number;
  openTmpfile(dirFd: number, mode: number): number;
  linkFd(fd: number, dirFd: number, path: Uint8Array): number;
  syncfs(fd: number): Promise<number>;
  statfsType(fd: number): number;
  crc64(data: Uint8Array): Buffer;
  enableVerity(fd: number, algorithm: number): number;
  measureVerity(fd: number, algorithm: number): Buffer | number;
  verityDigest(data: Uint8Array, algorithm: number): Buffer;
  verityDigestFds(fds: Int32Array, algorithm: number): Promise<{ digests: Buffer; errnos: Int32Array }>;
  digestFiles(
    dirFd: number,
    paths: Uint8Array,
    pathEnds: Uint32Array,
    algorithm: number,
    requireVerity: boolean,
  ): Promise<{ digests: Buffer; outcomes: Uint8Array; errnos: Int32Array }>;
  hashImplementations(): string[];
  useHashImplementation(name: string): boolean;
  setThreads(count: number): void;
  createStore(objectsFd: number, algorithm: number, verity: boolean, hardlink: boolean, copy: boolean): NativeHandle;
  storeFiles(
    store: NativeHandle,
    dirFds: Int32Array,
    paths: Uint8Array,
    pathEnds: Uint32Array,
    sizes: Float64Array,
    crcs: Uint8Array,
    flags: Uint8Array,
    cancel: Int32Array,
  ): Promise<NativeStoreResult>;
  /** `places`: three numbers a content, index into `memories`, first byte, bytes. */
  storeBuffers(store: NativeHandle, memories: readonly Uint8Array[], places: Float64Array): Promise<NativeStoreResult>;
  beginWriteback(store: NativeHandle): void;
  probeStore(store: NativeHandle, fd: number, hardlink: boolean): number;
  readFiles(
    dirFds: Int32Array,
    paths: Uint8Array,
    pathEnds: Uint32Array,
    sizes: Float64Array,
    limit: number,
  ): Promise<NativeStoreResult>;
  objectSizes(objectsFd: number, ids: Uint8Array, algorithm: number): Promise<Float64Array | number>;
  listObjects(
    objectsFd: number,
    algorithm: number,
  ): Promise<{ ids: Buffer; others: Buffer; errno?: number; directory?: number }>;
  missingDigests(sorted: Uint8Array, digests: Uint8Array, algorithm: number): Uint32Array;
  differingObjects(objectsFd: number, ids: Uint8Array, algorithm: number, requireVerity: boolean): Promise<Uint32Array>;
  openFiles(
    dirFds: Int32Array,
    paths: Uint8Array,
    pathEnds: Uint32Array,
    sizes: Float64Array,
  ): Promise<NativeStoreResult & { fds: Int32Array }>;
  storeOpenFiles(
    store: NativeHandle,
    fds: Int32Array,
    sizes: Float64Array,
    crcs: Uint8Array,
    flags: Uint8Array,
    cancel: Int32Array,
  ): Promise<NativeStoreResult>;
  socketPair(packets: boolean): Int32Array | number;
  sendFds(socket: number, data: Uint8Array, fds: Int32Array): number;
  receiveFds(socket: number, maxBytes: number): { data: Buffer; fds: Int32Array; truncated: boolean } | number;
  createInflater(): NativeHandle | null;
  inflateChunk(
    inflater: NativeHandle,
    input: Uint8Array,
    output: Uint8Array,
  ): Promise<{ consumed: number; produced: number; state: number; message: string }>;
  createDigester(name: string): NativeHandle | null;
  updateDigester(digester: NativeHandle, data: Uint8Array): Promise<void>;
  finishDigester(digester: NativeHandle): Uint8Array;
  createWriter(store: NativeHandle): NativeHandle | number;
  writeWriter(writer: NativeHandle, chunks: readonly Uint8Array[]): Promise<number>;
  finishWriter(writer: NativeHandle): Promise<NativeStoreResult>;
  abortWriter(writer: NativeHandle): void;
  scanDirectory(
    dirFd: number,
    algorithm: number,
    inlineLimit: number,
    store: NativeHandle | null,
    cancel: Int32Array,
  ): Promise<{ failure: NativeScanFailure; columns: null } | { failure: null; columns: NativeScanColumns }>;
  fsopen(type: Uint8Array): number;
  fsconfigFlag(fd: number, key: Uint8Array): number;
  fsconfigString(fd: number, key: Uint8Array, value: Uint8Array): number;
  fsconfigFd(fd: number, key: Uint8Array, value: number): number;
  fsconfigCreate(fd: number): Promise<number>;
  fsReadLog(fd: number): Buffer | number;
  fsmount(fd: number, attributes: number): number;
  moveMount(fd: number, targetFd: number): number;
  mountSetattr(fd: number, set: number, usernsFd: number): number;
  unmount(path: Uint8Array, flags: number): Promise<number>;
  openLoop(imageFd: number): Promise<number>;
}

/** Places of the compiled addon: a local build, then one shipped in the package. */
const CANDIDATES = ["../build/Release/reflink.node", `../prebuilds/${platform}-${arch}/reflink.node`];

function load(): Binding {
  const require = createRequire(import.meta.url);
  for (const candidate of CANDIDATES) {
    try {
      return require(candidate) as Binding;
    } catch (error) {
      // A file that is there and does not load is a fault to show, not to step over.
      if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    }
  }
  throw new Error(
    `@composefs/reflink: the native addon is missing for ${platform}-${arch} (tried ${CANDIDATES.join(", ")}); ` +
      "build it with `pnpm build:native`, which needs cmake and a C++17 compiler",
  );
}

/** The loaded addon. */
export const binding: Binding = load();
