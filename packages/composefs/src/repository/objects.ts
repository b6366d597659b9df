import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync } from "node:fs";
import {
  DIGEST_BYTES,
  type HashName,
  KernelError,
  ObjectStore,
  type ObjectWriter,
  objectSizes,
  openat2,
  RESOLVE,
  readFiles,
  verityDigest,
  verityDigestFds,
} from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { type ObjectId, objectIdFromBytes, objectPath } from "../fsverity/object-id.ts";
import { atPath, fdPath, hasCode } from "./directory.ts";
import { DiskSync } from "./disk-sync.ts";
import { mendObject } from "./mend-object.ts";
import { type Mount, mountOf } from "./mount-of.ts";
import { closeContents, contentPieces, measuredDigest, type ObjectContent, WHOLE_BYTES } from "./object-content.ts";
import { storedId } from "./store-error.ts";

const DIRECTORY_MODE = 0o755;

/** What the objects of one repository need to know of it. */
export interface ObjectsOptions {
  readonly repositoryFd: number;
  readonly path: string;
  readonly hash: HashName;
  readonly verity: boolean;
}

/** How files may get into the repository besides by reflink. */
export interface StoreOptions {
  /** Link files that cannot be cloned; default false. */
  readonly hardlink?: boolean;
  /** Copy files that neither can; default true. */
  readonly copy?: boolean;
}

/** The directory `objects/`: content under its fs-verity digest. */
export class Objects {
  readonly #options: ObjectsOptions;
  #fd: number | null = null;
  #store: ObjectStore | null = null;
  #hasStored = false;
  #closed = false;
  readonly #disk: DiskSync;

  constructor(options: ObjectsOptions) {
    this.#options = options;
    this.#disk = new DiskSync(`${options.path}/objects`);
  }

  /** A native store that writes here. Valid until the repository is closed. */
  store(options: StoreOptions = {}): ObjectStore {
    this.ensureOpen();
    this.#hasStored = true;
    return this.#openStore(options);
  }

  /**
   * Descriptor of `objects/`, open until the repository is closed. It may be a symlink, to another disk, say.
   *
   * @throws ComposefsError `OBJECT_NOT_FOUND` there is none; `REPO_CORRUPT` something else stands there
   */
  directory(): number {
    this.ensureOpen();
    this.#fd ??= openDirectory(this.#options);
    return this.#fd;
  }

  /**
   * Stores one buffer. An object of this name that has other bytes is damaged, and is replaced.
   *
   * @throws KernelError; ComposefsError `VERITY_UNSUPPORTED`
   */
  async put(bytes: Uint8Array, subject: string): Promise<ObjectId> {
    const [outcome] = await this.#ownStore().storeBuffers([bytes]);
    const id = storedId(outcome, subject);
    // The store looks at the size alone, or where fs-verity is required at what the kernel measures.
    const found = outcome && "method" in outcome && outcome.method === "already-present";
    if (!found || (!this.#options.verity && (await mendObject(this.directory(), id, bytes)))) this.#hasStored = true;
    return id;
  }

  /**
   * As {@link Objects.put}, of content that is made piece by piece.
   *
   * @param content gives the pieces, each time from the start; one need not be valid longer than until the next
   */
  async putPieces(content: () => Iterable<Uint8Array>, subject: string): Promise<ObjectId> {
    const { id, isNew } = await this.#writePieces(content(), subject);
    if (isNew) this.#hasStored = true;
    if (isNew || this.#options.verity) return id;
    const whole = Buffer.concat(Array.from(content(), (piece) => Buffer.from(piece)));
    if (await mendObject(this.directory(), id, whole)) this.#hasStored = true;
    return id;
  }

  /** Whether an object of this name is there, as a regular file; its content is not looked at. */
  has(id: ObjectId): boolean {
    const path = `objects/${objectPath(id)}`;
    try {
      return lstatSync(fdPath(this.#options.repositoryFd, path), { throwIfNoEntry: false })?.isFile() ?? false;
    } catch (error) {
      if (hasCode(error, "ELOOP")) return false;
      throw atPath(error, path);
    }
  }

  /** Those of `ids` that are not there, each once; their contents are not looked at. */
  async missing(ids: Iterable<ObjectId>): Promise<ObjectId[]> {
    const wanted = new Set(ids);
    const there = await this.sizes(wanted);
    return [...wanted].filter((id) => !there.has(id));
  }

  /** Sizes in bytes of those of `ids` that are there as regular files; their contents are not looked at. */
  async sizes(ids: Iterable<ObjectId>): Promise<Map<ObjectId, number>> {
    const wanted = [...new Set(ids)];
    const sizes = new Map<ObjectId, number>();
    const directory = wanted.length === 0 ? null : this.#directoryOrNull();
    if (directory === null) return sizes;
    const found = await objectSizes(directory, Buffer.from(wanted.join(""), "hex"), this.#options.hash);
    for (const [i, size] of found.entries()) if (size >= 0) sizes.set(wanted[i] as ObjectId, size);
    return sizes;
  }

  /**
   * The same for raw digests, one after the other, in their order; -1 for one that is not there.
   *
   * @param digests not to be changed meanwhile
   */
  async sizesOf(digests: Uint8Array): Promise<Float64Array> {
    const { hash } = this.#options;
    const directory = digests.length === 0 ? null : this.#directoryOrNull();
    if (directory === null) return new Float64Array(digests.length / DIGEST_BYTES[hash]).fill(-1);
    return objectSizes(directory, digests, hash);
  }

  /**
   * Tries to clone, or to link, the open file `fd` into the repository, and takes it back; nothing is left behind, not
   * even `objects/` where it is missing.
   *
   * @returns null, or the error that stands in the way
   */
  probe(fd: number, method: "reflink" | "hardlink"): KernelError | null {
    const { repositoryFd, hash } = this.#options;
    const objectsFd = this.#directoryOrNull() ?? repositoryFd;
    return new ObjectStore({ objectsFd, hash, verity: false }).probe(fd, method);
  }

  /** The mount that objects lie on, for messages. */
  mount(): Mount | null {
    return mountOf(this.#directoryOrNull() ?? this.#options.repositoryFd);
  }

  /**
   * Contents of objects in order, checked against their ids: a buffer for each that has at most 1 MiB, a generator of
   * pieces for a larger one, which holds a descriptor until it is used up or {@link closeContents} is called.
   *
   * @throws ComposefsError `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`
   */
  async readMany(ids: readonly ObjectId[]): Promise<ObjectContent[]> {
    const files = ids.map((id) => ({ path: Buffer.from(objectPath(id)), size: -1 }));
    const outcomes = await readFiles([this.directory()], files, WHOLE_BYTES);
    const contents: ObjectContent[] = [];
    try {
      for (const [i, outcome] of outcomes.entries()) {
        const id = ids[i] as ObjectId;
        if ("inline" in outcome) {
          this.#checkDigest(id, verityDigest(outcome.inline, this.#options.hash));
          contents.push(outcome.inline);
        } else if ("failure" in outcome && outcome.failure.step === "size") {
          contents.push(await this.#stream(id));
        } else {
          throw this.#unreadable(id, "failure" in outcome ? outcome.failure.error : null);
        }
      }
    } catch (error) {
      closeContents(contents);
      throw error;
    }
    return contents;
  }

  /**
   * First bytes, at most 1 MiB, of an object whose whole content was checked against its id.
   *
   * @throws ComposefsError `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`
   */
  async readHead(id: ObjectId): Promise<Uint8Array> {
    const [content] = (await this.readMany([id])) as [ObjectContent];
    if (content instanceof Uint8Array) return content;
    const first = content.next();
    closeContents([content]);
    return first.done ? Buffer.alloc(0) : first.value;
  }

  /** Content of one object. @throws ComposefsError `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT` */
  async read(id: ObjectId): Promise<Uint8Array> {
    const [content] = await this.readMany([id]);
    return content instanceof Uint8Array ? content : Buffer.concat([...(content as Generator<Uint8Array>)]);
  }

  /**
   * Opens an object for reading; its content is not looked at.
   *
   * @returns a descriptor, for the caller to close
   * @throws ComposefsError `OBJECT_NOT_FOUND`
   */
  open(id: ObjectId): number {
    return this.#openObject(id);
  }

  /** Size of an object in bytes. @throws ComposefsError `OBJECT_NOT_FOUND` */
  size(id: ObjectId): number {
    const fd = this.#openObject(id);
    try {
      return fstatSync(fd).size;
    } finally {
      closeSync(fd);
    }
  }

  /** Whether something was, or may have been, stored through this handle. */
  get hasStored(): boolean {
    return this.#hasStored;
  }

  /**
   * Waits until everything that was stored is on disk, which is the disk of `objects/`.
   *
   * @throws ComposefsError `SYNC_FAILED` what was stored may be lost, though it can be read until the kernel forgets it; from
   *   then on always. TypeError the repository was closed meanwhile
   */
  async sync(): Promise<void> {
    await this.#disk.sync(() => this.#directoryOrNull() ?? this.#options.repositoryFd);
    this.ensureOpen();
  }

  /** A descriptor that was closed may be somebody else's by now. @throws TypeError the repository was closed */
  ensureOpen(): void {
    if (this.#closed) throw new TypeError(`repository ${this.#options.path}: this handle was closed`);
  }

  /** Has the kernel begin to write what was stored, so that {@link Objects.sync} waits for less. Nothing depends on it. */
  beginSync(): void {
    if (this.#hasStored) this.#ownStore().beginWriteback();
  }

  /** Closes the directory. */
  close(): void {
    this.#closed = true;
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #ownStore(): ObjectStore {
    this.ensureOpen();
    this.#store ??= this.#openStore({});
    return this.#store;
  }

  #openStore(options: StoreOptions): ObjectStore {
    const { repositoryFd, hash, verity } = this.#options;
    try {
      mkdirSync(fdPath(repositoryFd, "objects"), { mode: DIRECTORY_MODE });
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw atPath(error, "objects");
    }
    return new ObjectStore({ objectsFd: this.directory(), hash, verity, ...options });
  }

  async #writePieces(
    pieces: Iterable<Uint8Array>,
    subject: string,
  ): Promise<{ readonly id: ObjectId; readonly isNew: boolean }> {
    const store = this.#ownStore();
    let writer: ObjectWriter | null = null;
    try {
      writer = store.createWriter();
      for (const piece of pieces) await writer.write([piece]);
      const outcome = await writer.finish();
      return { id: storedId(outcome, subject), isNew: !("method" in outcome && outcome.method === "already-present") };
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      throw new KernelError(-error.errno, error.syscall, subject);
    } finally {
      writer?.abort();
    }
  }

  #directoryOrNull(): number | null {
    try {
      return this.directory();
    } catch (error) {
      if (error instanceof ComposefsError && error.code === "OBJECT_NOT_FOUND") return null;
      throw error;
    }
  }

  async #stream(id: ObjectId): Promise<Generator<Uint8Array>> {
    const fd = this.#openObject(id);
    try {
      const { hash, verity } = this.#options;
      if (verity) {
        // Only the kernel's word holds while the pieces are read; a digest of ours would be of what was there before.
        this.#checkDigest(id, measuredDigest(fd, hash));
      } else {
        const [outcome] = await verityDigestFds([fd], hash);
        if (!outcome || "error" in outcome) throw outcome?.error ?? new Error("no digest");
        this.#checkDigest(id, outcome.digest);
      }
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return contentPieces(fd);
  }

  #checkDigest(id: ObjectId, digest: Uint8Array | null): void {
    const found = digest && objectIdFromBytes(digest);
    if (found === id) return;
    throw this.#corrupt(
      id,
      found === null ? "it has no fs-verity digest of the repository's hash" : `its digest is ${found}`,
      { found },
    );
  }

  #corrupt(id: ObjectId, what: string, { found, cause }: { found?: string | null; cause?: unknown } = {}): Error {
    const path = `${this.#options.path}/objects/${objectPath(id)}`;
    return new ComposefsError("OBJECT_CORRUPT", `object ${id}: ${what}`, {
      details: { id, found: found ?? null, path },
      hint: `remove ${path}, then pull or import again what it belongs to`,
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #openObject(id: ObjectId): number {
    const path = objectPath(id);
    const resolve = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS;
    let fd: number;
    try {
      fd = openat2(this.directory(), path, { flags: constants.O_RDONLY | constants.O_NONBLOCK, resolve });
    } catch (error) {
      throw error instanceof KernelError ? this.#unreadable(id, error) : error;
    }
    if (fstatSync(fd).isFile()) return fd;
    closeSync(fd);
    throw this.#corrupt(id, "it is no regular file");
  }

  /** What the error of opening an object means; null is no error of the kernel, but of what stands there. */
  #unreadable(id: ObjectId, cause: KernelError | null): Error {
    if (cause === null || hasCode(cause, "ELOOP", "ENOTDIR")) {
      return this.#corrupt(id, "it is no regular file", { cause: cause ?? undefined });
    }
    if (cause.code !== "ENOENT") return new KernelError(-cause.errno, cause.syscall, `objects/${objectPath(id)}`);
    return new ComposefsError("OBJECT_NOT_FOUND", `object ${id} is missing`, {
      details: { id, path: `${this.#options.path}/objects/${objectPath(id)}` },
      hint: "pull or import again what it belongs to; fsck lists what else is missing",
      cause,
    });
  }
}

function openDirectory({ repositoryFd, path }: ObjectsOptions): number {
  try {
    return openSync(fdPath(repositoryFd, "objects"), constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    const cause = atPath(error, `${path}/objects`);
    if (hasCode(error, "ENOTDIR", "ELOOP")) {
      throw new ComposefsError("REPO_CORRUPT", `${path}/objects is no directory`, {
        details: { path: `${path}/objects` },
        hint: "put the directory back, or remove what stands in its place",
        cause,
      });
    }
    if (!hasCode(error, "ENOENT")) throw cause;
    throw new ComposefsError("OBJECT_NOT_FOUND", `${path}/objects is missing`, {
      details: { path: `${path}/objects` },
      hint: "pull or import again what should be in the repository; fsck lists what is missing",
      cause,
    });
  }
}
