import { accessSync, closeSync, constants } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { type HashName, tryFlock } from "@composefs/reflink";
import { imageDigests, imageObjects } from "../erofs/image-objects.ts";
import { ComposefsError } from "../errors.ts";
import type { ObjectId } from "../fsverity/object-id.ts";
import type { DetachedMount } from "../mount/detached-mount.ts";
import type { MountOptions } from "../mount/mount-stored-image.ts";
import type { ContentType } from "../splitstream/format.ts";
import { parseSplitstream, type Splitstream } from "../splitstream/reader.ts";
import { SplitstreamWriter } from "../splitstream/writer.ts";
import { atPath, fdPath, hasCode } from "./directory.ts";
import type { FsckOptions } from "./fsck.ts";
import type { FsckReport } from "./fsck-report.ts";
import type { ChainLink, GcOptions, GcResult } from "./gc.ts";
import { type ImageRef, listImages, type OpenedImage, resolveImage } from "./images.ts";
import { type LockWait, lockRepository } from "./lock.ts";
import type { ErofsFormats, Metadata } from "./metadata.ts";
import { type Category, checkRefName } from "./names.ts";
import { resolveObject } from "./object-name.ts";
import { Objects } from "./objects.ts";
import { type OpenOptions, openDirectory } from "./open-directory.ts";
import { rebuildData } from "./rebuild-data.ts";
import { deleteRef, listEntries, listRefs, type Ref, readRef } from "./refs.ts";
import { resolveStreamEntry } from "./stream-name.ts";
import { type Publication, publish, streamId, streamNotFound, streamOfName } from "./streams.ts";

/**
 * An open repository, under a shared lock until {@link Repository.close}. What few programs do with one (gc, fsck, mounts)
 * is loaded when it is asked for.
 */
export class Repository {
  /** Path it was opened by, for messages. */
  readonly path: string;
  readonly hash: HashName;
  /** EROFS formats its images get. */
  readonly erofs: ErofsFormats;
  /** Whether every object must have fs-verity. */
  readonly verity: boolean;
  readonly objects: Objects;
  readonly #fd: number;
  #locked = true;
  #closed = false;
  readonly #unknownFeatures: readonly string[];

  private constructor(path: string, fd: number, metadata: Metadata, verity: boolean) {
    this.path = path;
    this.hash = metadata.hash;
    this.erofs = metadata.erofs;
    this.verity = verity;
    this.#fd = fd;
    this.#unknownFeatures = metadata.unknownReadOnlyFeatures;
    this.objects = new Objects({ repositoryFd: fd, path, hash: metadata.hash, verity });
  }

  /**
   * Opens the repository at `path`.
   *
   * @throws ComposefsError `REPO_NOT_FOUND`, `REPO_METADATA_MISSING`, `REPO_METADATA_INVALID`, `REPO_UNSUPPORTED`,
   *   `REPO_OLD_FORMAT` (no meta.json and `upgrade: false`), `REPO_CONFIG_MISMATCH` (other hash), `VERITY_REQUIRED`,
   *   `REPO_LOCKED`
   */
  static async open(path: string, options: OpenOptions = {}): Promise<Repository> {
    const { fd, metadata, verity } = await openDirectory(path, options);
    return new Repository(path, fd, metadata, verity);
  }

  /** Where a repository lies by default: of the system, or of the user who runs this. */
  static defaultPath(scope: "user" | "system"): string {
    return scope === "system" ? "/sysroot/composefs" : join(homedir(), ".var/lib/composefs");
  }

  /** @throws ComposefsError `REPO_READ_ONLY` the file system or unknown features forbid writing */
  ensureWritable(): void {
    const refuse = (why: string, hint: string, cause?: unknown): ComposefsError =>
      new ComposefsError("REPO_READ_ONLY", `repository ${this.path} is not writable: ${why}`, {
        details: { path: this.path },
        hint,
        ...(cause === undefined ? {} : { cause }),
      });
    if (this.#unknownFeatures.length > 0) {
      const names = this.#unknownFeatures.join(", ");
      throw refuse(`unknown read-only-compatible features: ${names}`, "use a newer version of this tool");
    }
    try {
      accessSync(fdPath(this.#fd, "."), constants.W_OK);
    } catch (cause) {
      if (hasCode(cause, "EROFS"))
        throw refuse("read-only file system", "mount it read-write", atPath(cause, this.path));
      if (hasCode(cause, "EACCES", "EPERM"))
        throw refuse("permission denied", "run as its owner", atPath(cause, this.path));
      throw atPath(cause, this.path);
    }
  }

  /** Starts a splitstream; store its file with {@link Objects.put} and give it a name with {@link Repository.publish}. */
  createStream(type: ContentType): SplitstreamWriter {
    return new SplitstreamWriter(this.hash, type);
  }

  /**
   * Gives names to stored splitstreams and images: {@link Objects.sync} once, entries, then refs.
   *
   * @returns whether any name changed
   * @throws ComposefsError `REF_INVALID`; `REPO_LOCKED` this handle lost its lock in a {@link Repository.gc} that failed,
   *   so what it stored may be gone; `SYNC_FAILED`; TypeError the handle was closed, before or meanwhile
   */
  async publish(publication: Publication): Promise<boolean> {
    this.objects.ensureOpen();
    if (!this.#locked) {
      throw new ComposefsError("REPO_LOCKED", `repository ${this.path}: this handle no longer holds its lock`, {
        details: { path: this.path },
        hint: "open the repository anew",
      });
    }
    return publish(this.#fd, publication, this.objects);
  }

  /**
   * Stores an EROFS image and names it by its id, with `name` also by a ref.
   *
   * @param options.checked the bytes are known to be an image, such as one just built; default false: they are parsed
   * @throws ComposefsError `IMAGE_INVALID`, `REF_INVALID`, `REPO_READ_ONLY`, `REPO_LOCKED`, `VERITY_UNSUPPORTED`;
   *   KernelError. The image has no name then
   */
  async storeImage(
    bytes: Uint8Array,
    options: { readonly name?: string | undefined; readonly checked?: boolean | undefined } = {},
  ): Promise<ObjectId> {
    this.ensureWritable();
    if (options.name !== undefined) checkRefName(options.name);
    if (!options.checked) imageDigests(bytes, this.hash);
    const id = await this.objects.put(bytes, options.name === undefined ? "image" : `image ${options.name}`);
    await this.publish({ images: [{ id, name: options.name }] });
    return id;
  }

  /** Refs to images, sorted bytewise by name. */
  listImages(): ImageRef[] {
    return listImages(this.#fd, this.hash);
  }

  /**
   * Id of the image that `refs/NAME`, NAME, `<hash>:<hex>`, hex, or at least eight first digits of it mean.
   *
   * @throws ComposefsError `IMAGE_NOT_FOUND`, `REF_AMBIGUOUS`, `REF_INVALID`, `REPO_CORRUPT`
   */
  resolveImage(name: string): ObjectId {
    return resolveImage(this.#fd, this.hash, name);
  }

  /**
   * Reads an image, by a name as for {@link Repository.resolveImage}, and checks it against its id.
   *
   * @throws ComposefsError as resolveImage; `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`
   */
  async openImage(name: string): Promise<OpenedImage> {
    const id = this.resolveImage(name);
    return { id, bytes: await this.objects.read(id) };
  }

  /** Objects an image refers to, each once, sorted. @throws ComposefsError as openImage; `IMAGE_INVALID` */
  async imageObjects(name: string): Promise<ObjectId[]> {
    const { bytes } = await this.openImage(name);
    return imageObjects(bytes, this.hash);
  }

  /**
   * Mounts an image, by a name as for {@link Repository.resolveImage}, attached nowhere. Needs CAP_SYS_ADMIN.
   *
   * @throws ComposefsError as resolveImage; `VERITY_REQUIRED`, `VERITY_MISMATCH`, `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`,
   *   `MOUNT_FAILED`
   */
  async mount(name: string, options: MountOptions = {}): Promise<DetachedMount> {
    const { mountStoredImage } = await import("../mount/mount-stored-image.ts");
    return mountStoredImage(this, name, options);
  }

  /**
   * Id that hexadecimal digits mean: a whole id, with or without `<hash>:`, or its first digits, at least eight.
   *
   * @throws ComposefsError `DIGEST_INVALID`, `OBJECT_NOT_FOUND`, `REF_AMBIGUOUS`
   */
  resolveObject(name: string): ObjectId {
    return resolveObject(this.#fd, this.hash, name);
  }

  /**
   * Removes what no ref and no root keeps alive (repository.md §5). Takes the exclusive lock for it, in place of this
   * handle's shared one: nothing else may be under way on this handle, and what it stored and did not publish goes, too.
   * A dry run keeps the shared lock.
   *
   * @throws ComposefsError `REPO_LOCKED` others use the repository, and `lockTimeoutMs` is over; `REF_NOT_FOUND`,
   *   `REF_AMBIGUOUS` a root means nothing; `REPO_READ_ONLY`; `REPO_CORRUPT`. Nothing has been removed then
   */
  async gc(options: GcOptions & LockWait = {}): Promise<GcResult> {
    const collect = async () => (await import("./gc.ts")).collectGarbage(this.#check(), options);
    if (options.dryRun) return collect();
    this.ensureWritable();
    return this.#exclusively(options, collect);
  }

  /** Names from a root to an object, its own path last; null when gc would remove it. @throws ComposefsError as gc */
  async why(id: ObjectId, options: Omit<GcOptions, "dryRun"> = {}): Promise<ChainLink[] | null> {
    const { explainObject } = await import("./gc.ts");
    return explainObject(this.#check(), id, options);
  }

  /**
   * Checks everything in the repository (repository.md §6). A repair takes the exclusive lock, as {@link Repository.gc}.
   *
   * @throws ComposefsError for a repair `REPO_LOCKED`, `REPO_READ_ONLY`; node:fs errors
   */
  async fsck(options: FsckOptions & LockWait = {}): Promise<FsckReport> {
    const check = async () => (await import("./fsck.ts")).checkRepository(this.#check(), options);
    if (!options.repair) return check();
    this.ensureWritable();
    return this.#exclusively(options, check);
  }

  /**
   * Id of the splitstream with this content identifier when it and its object are there, else null.
   *
   * @throws ComposefsError `REPO_CORRUPT` the entry is no link to an object
   */
  findStream(contentId: string): ObjectId | null {
    const id = streamId(this.#fd, contentId, this.hash);
    return id !== null && this.objects.has(id) ? id : null;
  }

  /**
   * Content identifier of the splitstream that a name means: itself, `refs/NAME`, NAME of a ref, or the stream's id,
   * `<hash>:<hex>`, hex, or at least eight first digits of it.
   *
   * @throws ComposefsError `STREAM_NOT_FOUND`, `REF_AMBIGUOUS`, `REF_INVALID`
   */
  resolveStream(name: string): string {
    const entry = resolveStreamEntry(this.#fd, this.hash, name);
    if (entry === null) throw streamNotFound(name);
    return entry;
  }

  /**
   * Opens a splitstream by content identifier or `refs/…`.
   *
   * @throws ComposefsError `STREAM_NOT_FOUND`, `STREAM_CORRUPT`, `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`
   */
  async openStream(name: string): Promise<Splitstream & { readonly id: ObjectId }> {
    const contentId = streamOfName(this.#fd, name);
    const id = streamId(this.#fd, contentId, this.hash);
    if (id === null) throw streamNotFound(name);
    return this.openStreamObject(id, contentId);
  }

  /** Opens a splitstream by its object id. @param name what to call it in errors */
  async openStreamObject(id: ObjectId, name: string): Promise<Splitstream & { readonly id: ObjectId }> {
    return Object.assign(parseSplitstream(await this.objects.read(id), this.hash, name), { id });
  }

  /** Rebuilt data of a splitstream, checked against the ids of its objects. @throws ComposefsError as openStream */
  async *readStream(
    stream: Splitstream,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Uint8Array> {
    yield* rebuildData(this.objects, stream, options.signal);
  }

  /** First-level entries of `streams/`, that is content identifiers, sorted bytewise. */
  listStreams(): string[] {
    return listEntries(this.#fd, "streams");
  }

  /** Refs of a category beneath `prefix`, names relative to it, sorted bytewise. */
  listRefs(category: Category, prefix?: string): Ref[] {
    return listRefs(this.#fd, category, prefix);
  }

  /** Entry that a ref points to; null when there is no such ref. @throws ComposefsError `REF_INVALID` */
  readRef(category: Category, name: string): string | null {
    return readRef(this.#fd, category, name);
  }

  /** Removes a ref. @throws ComposefsError `REF_NOT_FOUND`, `REF_INVALID` */
  deleteRef(category: Category, name: string): void {
    deleteRef(this.#fd, category, name);
  }

  /** Releases the lock and all descriptors; calling it again does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.objects.close();
    closeSync(this.#fd);
  }

  /** As {@link Repository.close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #check() {
    const { path, hash, verity } = this;
    return { repositoryFd: this.#fd, path, hash, verity, readImage: imageDigests };
  }

  // flock(2) gives up the one lock before it asks for the other, and the way back can meet somebody's exclusive lock.
  async #exclusively<T>(wait: LockWait, work: () => Promise<T>): Promise<T> {
    this.#locked = false;
    try {
      await lockRepository(this.#fd, "exclusive", this.path, wait);
      return await work();
    } finally {
      this.#locked = tryFlock(this.#fd, "shared");
    }
  }
}
