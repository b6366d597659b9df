import { binding, type NativeHandle, type NativeStoreResult } from "./binding.ts";
import { checkResult, KernelError } from "./errors.ts";
import { ALGORITHM_NUMBER, DIGEST_BYTES, type HashName } from "./verity.ts";

/** How an object's bytes got into `objects/`. */
export type StoreMethod = "reflinked" | "hardlinked" | "copied" | "already-present";

/** Settings of an {@link ObjectStore}. */
export interface ObjectStoreOptions {
  /** Directory `objects/`; the caller keeps it open as long as the store is used. */
  readonly objectsFd: number;
  readonly hash: HashName;
  /** Enable fs-verity on each object and name it by the kernel's measurement. */
  readonly verity: boolean;
  /** Link the source file itself where it cannot be cloned; default false. */
  readonly hardlink?: boolean;
  /** Copy where neither works; default true. Without it such a file fails at step `copy-refused`. */
  readonly copy?: boolean;
}

/** A file to read beneath the batch's directories. */
export interface SourceFile {
  /** Relative path, bytes. */
  readonly path: Uint8Array;
  /** Size the file must have, in bytes. */
  readonly size: number;
  /** Expected CRC-64 of the content (8 bytes, big-endian); absent or null = not checked. */
  readonly crc64?: Uint8Array | null;
  /** Hand the content back instead of storing an object; for small files. */
  readonly inline?: boolean;
}

/** Where a file failed. The first six speak of the source, the others of the object store. */
export type StoreStep =
  | "open"
  | "not-regular"
  | "size"
  | "crc"
  | "read"
  | "metacopy"
  | "stage"
  | "reflink"
  | "copy-refused"
  | "write"
  | "verity"
  | "link"
  | "cancelled";

/** Why a file of a batch was not stored. */
export interface StoreFailure {
  readonly step: StoreStep;
  /** The kernel's error, where there is one. */
  readonly error: KernelError | null;
  /** Size found, at step `size`. */
  readonly actualSize: number;
}

/** What became of one item: an object, inline content, or a failure. */
export type StoreOutcome =
  | { readonly id: string; readonly method: StoreMethod }
  | { readonly inline: Uint8Array }
  | { readonly failure: StoreFailure };

/** Outcome numbers shared with `cpp/object_store.h`. */
const METHODS: readonly StoreMethod[] = ["reflinked", "hardlinked", "copied", "already-present"];
const INLINE = METHODS.length;
const STEPS: readonly StoreStep[] = [
  "open",
  "not-regular",
  "size",
  "crc",
  "read",
  "metacopy",
  "stage",
  "reflink",
  "copy-refused",
  "write",
  "verity",
  "link",
  "cancelled",
];
const FIRST_STEP = INLINE + 1;
const SYSCALLS: Readonly<Partial<Record<StoreStep, string>>> = {
  open: "openat2",
  read: "read",
  stage: "openat",
  reflink: "ioctl",
  write: "write",
  verity: "ioctl",
  link: "linkat",
};

const CRC_BYTES = 8;
const FLAG_CHECK_CRC = 1;
const FLAG_INLINE = 2;

/**
 * Puts files and buffers into `objects/XX/rest…` under their fs-verity digest, a batch per call on native threads.
 * Each file is opened without following links out of its directory, cloned into an unnamed file, hashed and linked into
 * place; a clone that the file systems cannot do (EOPNOTSUPP, EXDEV) becomes a hard link or a copy as the options allow.
 * Every other error of the kernel is the item's failure. See docs/architecture.md.
 */
export class ObjectStore {
  readonly hash: HashName;
  readonly #handle: NativeHandle;

  constructor(options: ObjectStoreOptions) {
    this.hash = options.hash;
    this.#handle = binding.createStore(
      options.objectsFd,
      ALGORITHM_NUMBER[options.hash],
      options.verity,
      options.hardlink ?? false,
      options.copy ?? true,
    );
    handles.set(this, this.#handle);
  }

  /**
   * Stores files found beneath the first of `dirFds` that has them; outcomes come in the order of `files`. After the
   * first failure, or once `signal` is aborted, files not yet begun fail at step `cancelled`.
   */
  async storeFiles(
    dirFds: readonly number[],
    files: readonly SourceFile[],
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<StoreOutcome[]> {
    return this.#store(files, options.signal, ({ paths, ends, sizes, crcs, flags }, cancel) =>
      binding.storeFiles(this.#handle, Int32Array.from(dirFds), paths, ends, sizes, crcs, flags, cancel),
    );
  }

  /**
   * The same for files that are open already, as another process hands them over: `fds[i]` is `files[i]`, whose path only
   * serves messages. They may be read-only. Their type and size are checked like those of files found by path; the caller
   * closes them after the promise has settled.
   */
  async storeOpenFiles(
    fds: readonly number[],
    files: readonly SourceFile[],
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<StoreOutcome[]> {
    return this.#store(files, options.signal, ({ sizes, crcs, flags }, cancel) =>
      binding.storeOpenFiles(this.#handle, Int32Array.from(fds), sizes, crcs, flags, cancel),
    );
  }

  /** Stores contents held in memory; outcomes (`copied` or `already-present`) in order. The bytes must not change meanwhile. */
  async storeBuffers(contents: readonly Uint8Array[]): Promise<StoreOutcome[]> {
    const { memories, places } = packContents(contents);
    const result = await binding.storeBuffers(this.#handle, memories, places);
    return unpackOutcomes(result, DIGEST_BYTES[this.hash], () => undefined);
  }

  /**
   * Has the kernel begin to write what was stored to disk, on a thread that nobody waits for. Whether it succeeds only a later
   * syncfs tells.
   */
  beginWriteback(): void {
    binding.beginWriteback(this.#handle);
  }

  /** Starts an object whose content arrives in pieces. @throws KernelError no staging file can be made */
  createWriter(): ObjectWriter {
    const handle = binding.createWriter(this.#handle);
    if (typeof handle === "number") throw new KernelError(-handle, "openat");
    return new ObjectWriter(handle, this.hash);
  }

  /**
   * Tries to clone, or to link, the open file `fd` into the object directory, and takes it back. A clone leaves no trace
   * at all; a link stands there for a moment under a temporary name.
   *
   * @returns null, or the error that stands in the way
   */
  probe(fd: number, method: "reflink" | "hardlink"): KernelError | null {
    const result = binding.probeStore(this.#handle, fd, method === "hardlink");
    return result < 0 ? new KernelError(-result, method === "hardlink" ? "linkat" : "ioctl") : null;
  }

  async #store(
    files: readonly SourceFile[],
    signal: AbortSignal | undefined,
    call: (packed: PackedFiles, cancel: Int32Array) => Promise<NativeStoreResult>,
  ): Promise<StoreOutcome[]> {
    signal?.throwIfAborted();
    const cancel = new Int32Array(1);
    const onAbort = (): void => {
      Atomics.store(cancel, 0, 1);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const result = await call(packFiles(files), cancel);
      return unpackOutcomes(result, DIGEST_BYTES[this.hash], (i) => files[i]?.path);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

/** An object being written. End it with {@link ObjectWriter.finish} or {@link ObjectWriter.abort}. */
export class ObjectWriter {
  readonly #handle: NativeHandle;
  readonly #hash: HashName;

  /** @internal use {@link ObjectStore.createWriter} */
  constructor(handle: NativeHandle, hash: HashName) {
    this.#handle = handle;
    this.#hash = hash;
  }

  /** Appends `chunks`, hashing them meanwhile; one call at a time. The bytes must not change until it settles. @throws KernelError */
  async write(chunks: readonly Uint8Array[]): Promise<void> {
    checkResult(await binding.writeWriter(this.#handle, chunks), "write");
  }

  /** Names the object by its digest. Fails at step `write` after a failed write, at `stage` when called again. */
  async finish(): Promise<StoreOutcome> {
    const result = await binding.finishWriter(this.#handle);
    const [outcome] = unpackOutcomes(result, DIGEST_BYTES[this.#hash], () => undefined);
    return outcome as StoreOutcome;
  }

  /** Drops what was written, after a write that still runs; harmless after {@link ObjectWriter.finish}. */
  abort(): void {
    binding.abortWriter(this.#handle);
  }
}

/** @internal The addon's handle, for other calls that store. */
export function storeHandle(store: ObjectStore): NativeHandle {
  return handles.get(store) as NativeHandle;
}

const handles = new WeakMap<ObjectStore, NativeHandle>();

/** A file for {@link readFiles}; size -1 = whatever it has. */
export type ReadFile = Pick<SourceFile, "path" | "size">;

/**
 * Contents of many small files beneath the first of `dirFds` that has them, in order. A file of another size than
 * stated, or of more than `limit` bytes (a safe integer), fails at step `size`.
 */
export async function readFiles(
  dirFds: readonly number[],
  files: readonly ReadFile[],
  limit: number,
): Promise<StoreOutcome[]> {
  const { paths, ends, sizes } = packFiles(files);
  const result = await binding.readFiles(Int32Array.from(dirFds), paths, ends, sizes, limit);
  return unpackOutcomes(result, 0, (i) => files[i]?.path);
}

/**
 * Sizes in bytes of objects beneath `objectsFd`, in the order of their ids; -1 where there is no regular file. Contents
 * are not looked at.
 *
 * @param ids digests, raw one after the other; not to be changed meanwhile
 * @throws KernelError any failure but that of a missing file
 */
export async function objectSizes(objectsFd: number, ids: Uint8Array, hash: HashName): Promise<Float64Array> {
  const result = await binding.objectSizes(objectsFd, ids, ALGORITHM_NUMBER[hash]);
  if (typeof result === "number") throw new KernelError(-result, "fstatat");
  return result;
}

/**
 * Opens files beneath the first of `dirFds` that has them, read-only and without following links out of it, a batch on
 * native threads. Each must be a regular file of the stated size.
 *
 * @returns descriptors in the order of `files`, which the caller closes; or the failure of the first file that failed,
 *   and then nothing stays open
 */
export async function openFiles(
  dirFds: readonly number[],
  files: readonly ReadFile[],
): Promise<{ readonly fds: number[] } | { readonly failed: number; readonly failure: StoreFailure }> {
  const { paths, ends, sizes } = packFiles(files);
  const result = await binding.openFiles(Int32Array.from(dirFds), paths, ends, sizes);
  for (const [i, outcome] of unpackOutcomes(result, 0, (row) => files[row]?.path).entries()) {
    if ("failure" in outcome && outcome.failure.step !== "cancelled") return { failed: i, failure: outcome.failure };
  }
  return { fds: [...result.fds] };
}

/** Sets how many native threads (1 to 1024) serve all stores of the process; default: as many as processors, at least 2. @throws RangeError */
export function setNativeThreads(count: number): void {
  binding.setThreads(count);
}

interface PackedFiles {
  paths: Buffer;
  ends: Uint32Array;
  sizes: Float64Array;
  crcs: Uint8Array;
  flags: Uint8Array;
}

function packFiles(files: readonly SourceFile[]): PackedFiles {
  const paths = Buffer.concat(files.map((file) => file.path));
  const ends = new Uint32Array(files.length);
  const sizes = new Float64Array(files.length);
  const crcs = new Uint8Array(files.length * CRC_BYTES);
  const flags = new Uint8Array(files.length);
  let end = 0;
  files.forEach((file, i) => {
    end += file.path.length;
    ends[i] = end;
    sizes[i] = file.size;
    flags[i] = (file.crc64 ? FLAG_CHECK_CRC : 0) | (file.inline ? FLAG_INLINE : 0);
    if (file.crc64) {
      if (file.crc64.length !== CRC_BYTES)
        throw new RangeError(`crc64 of ${file.crc64.length} bytes, not ${CRC_BYTES}`);
      crcs.set(file.crc64, i * CRC_BYTES);
    }
  });
  return { paths, ends, sizes, crcs, flags };
}

/** Contents as stretches of what they are views of: a call for each of thousands would take longer than to store them. */
function packContents(contents: readonly Uint8Array[]): { memories: Uint8Array[]; places: Float64Array } {
  const memories: Uint8Array[] = [];
  const places = new Float64Array(3 * contents.length);
  let memory: ArrayBufferLike | null = null;
  for (const [i, { buffer, byteOffset, length }] of contents.entries()) {
    if (buffer !== memory) memories.push(new Uint8Array(buffer));
    memory = buffer;
    places[3 * i] = memories.length - 1;
    places[3 * i + 1] = byteOffset;
    places[3 * i + 2] = length;
  }
  return { memories, places };
}

function unpackOutcomes(
  result: NativeStoreResult,
  idBytes: number,
  pathOf: (row: number) => Uint8Array | undefined,
): StoreOutcome[] {
  const { ids, outcomes, errnos, sizes, inline } = result;
  let inlineOffset = 0;
  return Array.from(outcomes, (outcome, i) => {
    const method = METHODS[outcome];
    if (method !== undefined) return { id: ids.toString("hex", i * idBytes, (i + 1) * idBytes), method };
    if (outcome === INLINE) {
      const start = inlineOffset;
      inlineOffset += sizes[i] as number;
      return { inline: inline.subarray(start, inlineOffset) };
    }
    return { failure: storeFailure(outcome, errnos[i] as number, sizes[i] as number, pathOf(i)) };
  });
}

/** @internal A row's outcome number and errno as a failure. */
export function storeFailure(outcome: number, errno: number, size: number, path?: Uint8Array): StoreFailure {
  const step = STEPS[outcome - FIRST_STEP] as StoreStep;
  const error = errno === 0 ? null : new KernelError(errno, SYSCALLS[step] ?? step, path);
  return { step, error, actualSize: size };
}
