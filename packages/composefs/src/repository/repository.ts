import { accessSync, closeSync, constants, openSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { algorithmName } from "../fsverity/algorithm.ts";
import type { ObjectId } from "../fsverity/object-id.ts";
import type { ContentType } from "../splitstream/format.ts";
import { parseSplitstream, type Splitstream } from "../splitstream/reader.ts";
import { SplitstreamWriter } from "../splitstream/writer.ts";
import { atPath, fdPath, hasCode } from "./directory.ts";
import { type LockWait, lockRepository } from "./lock.ts";
import type { ErofsFormats, Metadata } from "./metadata.ts";
import { METADATA_NAME, readMetadata, requiresVerity } from "./metadata-file.ts";
import type { Category } from "./names.ts";
import { closeContents, Objects } from "./objects.ts";
import { upgradeOldRepository } from "./old-format.ts";
import { deleteRef, listEntries, listRefs, type Ref, readRef } from "./refs.ts";
import { type Publication, publish, resolveStreamName, streamId, streamNotFound } from "./streams.ts";

/** How to open a repository. */
export interface OpenOptions extends LockWait {
  /** The hash it must have. */
  readonly hash?: HashName | undefined;
  /** Fail unless it requires fs-verity; default false. */
  readonly requireVerity?: boolean | undefined;
  /** Write the meta.json an old repository lacks; default true. */
  readonly upgrade?: boolean | undefined;
  /** Treat it as insecure whatever it says; default false. */
  readonly insecure?: boolean | undefined;
}

/** An open repository, under a shared lock until {@link Repository.close}. */
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
  readonly #unknownFeatures: readonly string[];
  #closed = false;

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
    const fd = openDirectory(path);
    try {
      await lockRepository(fd, "shared", path, options);
      const metadata = loadMetadata(fd, path, options.upgrade ?? true);
      if (options.hash !== undefined && options.hash !== metadata.hash) {
        throw new ComposefsError(
          "REPO_CONFIG_MISMATCH",
          `repository ${path} is configured for ${algorithmName(metadata.hash)} (from ${METADATA_NAME}), not ${options.hash}`,
          { details: { path, hash: metadata.hash }, hint: `leave the hash out, or say ${metadata.hash}` },
        );
      }
      const verity = !options.insecure && requiresVerity(fd, metadata.hash, path);
      if (options.requireVerity && !verity) {
        throw new ComposefsError("VERITY_REQUIRED", `repository ${path} was not initialized with fs-verity`, {
          details: { path },
          hint: "create it anew with `cfsctl init` on a file system with fs-verity",
        });
      }
      return new Repository(path, fd, metadata, verity);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
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
      if (hasCode(cause, "EROFS")) throw refuse("read-only file system", "mount it read-write", cause);
      if (hasCode(cause, "EACCES", "EPERM")) throw refuse("permission denied", "run as its owner", cause);
      throw atPath(cause, this.path);
    }
  }

  /** Starts a splitstream; store its file with {@link Objects.put} and give it a name with {@link Repository.publish}. */
  createStream(type: ContentType): SplitstreamWriter {
    return new SplitstreamWriter(this.hash, type);
  }

  /** Gives names to stored splitstreams: syncfs once, entries, then refs. @returns whether any name changed */
  async publish(publication: Publication): Promise<boolean> {
    return publish(this.#fd, publication);
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
   * Opens a splitstream by content identifier or `refs/…`.
   *
   * @throws ComposefsError `STREAM_NOT_FOUND`, `STREAM_CORRUPT`, `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`
   */
  async openStream(name: string): Promise<Splitstream & { readonly id: ObjectId }> {
    const contentId = resolveStreamName(this.#fd, name);
    const id = streamId(this.#fd, contentId, this.hash);
    if (id === null) throw streamNotFound(name);
    return this.openStreamObject(id, contentId);
  }

  /** Opens a splitstream by its object id. @param name what to call it in errors */
  async openStreamObject(id: ObjectId, name: string): Promise<Splitstream & { readonly id: ObjectId }> {
    return { ...parseSplitstream(await this.objects.read(id), this.hash, name), id };
  }

  /** Rebuilt data of a splitstream, checked against the ids of its objects. @throws ComposefsError as openStream */
  async *readStream(
    stream: Splitstream,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<Uint8Array> {
    const BATCH_OBJECTS = 64;
    let pending: (Uint8Array | ObjectId)[] = [];
    let objects = 0;
    for (const part of stream.parts()) {
      pending.push("object" in part ? part.object : part.inline);
      if ("object" in part) objects++;
      if (objects < BATCH_OBJECTS && pending.length < 4 * BATCH_OBJECTS) continue;
      options.signal?.throwIfAborted();
      yield* this.#expand(pending);
      pending = [];
      objects = 0;
    }
    yield* this.#expand(pending);
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

  async *#expand(parts: readonly (Uint8Array | ObjectId)[]): AsyncGenerator<Uint8Array> {
    const ids = parts.filter((part): part is ObjectId => typeof part === "string");
    const contents = ids.length > 0 ? await this.objects.readMany(ids) : [];
    let next = 0;
    try {
      for (const part of parts) {
        const content = typeof part === "string" ? contents[next++] : part;
        if (content instanceof Uint8Array) yield content;
        else if (content) yield* content;
      }
    } finally {
      closeContents(contents);
    }
  }
}

function openDirectory(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    if (!hasCode(cause, "ENOENT", "ENOTDIR")) throw cause;
    throw new ComposefsError("REPO_NOT_FOUND", `there is no repository at ${path}`, {
      details: { path },
      hint: `create one with \`cfsctl init ${path}\`, or name another with --repo`,
      cause,
    });
  }
}

function loadMetadata(fd: number, path: string, upgrade: boolean): Metadata {
  const metadata = readMetadata(fd, path);
  if (metadata !== null) return metadata;
  if (!upgrade) {
    throw new ComposefsError("REPO_OLD_FORMAT", `${METADATA_NAME} not found in ${path}`, {
      details: { path },
      hint: "leave --no-upgrade out to have it written, or use `cfsctl init`",
    });
  }
  const upgraded = upgradeOldRepository(fd) ? readMetadata(fd, path) : null;
  if (upgraded !== null) return upgraded;
  throw new ComposefsError("REPO_METADATA_MISSING", `no ${METADATA_NAME} in ${path}, and no objects to infer it from`, {
    details: { path },
    hint: `is this a repository? \`cfsctl init ${path}\` makes one`,
  });
}
