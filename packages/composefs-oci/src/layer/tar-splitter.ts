import type { Repository, SplitstreamPart, SplitstreamWriter, StoreFailure, StoreOutcome } from "@composefs/core";
import { storeError } from "@composefs/core/import";
import type { SplitChunk } from "@composefs/splitfdstream";
import type { TarEvent } from "@composefs/tar-header";
import { OciError } from "../errors.ts";
import type { ImportStats } from "../import-stats.ts";
import { fileOfLayer, storing } from "./layer-errors.ts";
import type { LayerListener } from "./layer-listener.ts";
import { INLINE_MAX_BYTES, LayerWriter } from "./layer-writer.ts";

type ObjectStore = ReturnType<Repository["objects"]["store"]>;
type ObjectWriter = ReturnType<ObjectStore["createWriter"]>;

/** Larger files are written as they come. */
const WHOLE_MAX_BYTES = 1024 * 1024;
/** A batch is full with so many files, or so much of the tar. */
const BATCH_FILES = 512;
const BATCH_BYTES = 1024 * 1024;
/** Most bytes between two stored files; they are held, compressed, until the next one comes. Two million empty files. */
const MAX_RUN_BYTES = 1024 * 1024 * 1024;

interface TarFile {
  readonly size: number;
  readonly path: Uint8Array;
}

/** A file whose content comes. */
interface SmallFile extends TarFile {
  /** The content when it does not lie in one chunk, put together here. */
  joined: Uint8Array | null;
  joinedBytes: number;
}
interface LargeFile extends TarFile {
  /** Where the content goes. */
  readonly writer: ObjectWriter;
  /** What the writer was not given yet, views of the chunk. */
  pieces: Uint8Array[];
  /** Settles when what it was given is written. */
  written: Promise<void>;
}

/**
 * Turns the events of a tar into a layer splitstream and objects (oci.md §2.2): small files are stored in batches on the
 * native threads, large ones piece by piece. Call {@link TarSplitter.pushed} after the events of each pushed chunk; the
 * chunk must not change until it is released.
 */
export class TarSplitter {
  readonly #store: ObjectStore;
  readonly #writer: LayerWriter<TarFile>;
  readonly #layer: string;
  readonly #listener: LayerListener | undefined;
  #chunks: SplitChunk[] = [];
  #files: TarFile[] = [];
  /** Views of chunks, of which nothing else is kept, and contents put together. */
  #contents: Uint8Array[] = [];
  #releases: (() => Promise<void>)[] = [];
  #firstFile = 0;
  #batchBytes = 0;
  #runBytes = 0;
  #small: SmallFile | null = null;
  #large: LargeFile | null = null;

  /** @param layer for messages */
  constructor(repository: Repository, stream: SplitstreamWriter, layer: string, listener?: LayerListener) {
    this.#layer = layer;
    this.#listener = listener;
    this.#store = repository.objects.store();
    const toError = ({ path }: TarFile, failure: StoreFailure): Error => storeError(failure, fileOfLayer(layer, path));
    const onPart = (part: SplitstreamPart): void => {
      if ("object" in part) listener?.onObject(part.object);
    };
    this.#writer = new LayerWriter(stream, layer, toError, listener && onPart);
  }

  /** Takes the next event. A promise comes back only when there is something to wait for. */
  take(event: TarEvent): Promise<void> | null {
    switch (event.type) {
      case "raw":
        this.#inline(event.bytes);
        return null;
      case "entry": {
        const { isFile, size, path } = event.entry;
        this.#listener?.onEvent(event);
        if (!isFile || size <= INLINE_MAX_BYTES) return null;
        if (size > WHOLE_MAX_BYTES) return this.#openLarge(path, size);
        this.#small = { path: new Uint8Array(path), size, joined: null, joinedBytes: 0 };
        return null;
      }
      case "data":
        if (this.#small !== null) this.#takeSmall(this.#small, event.bytes, event.remaining === 0);
        else if (this.#large === null) {
          this.#inline(event.bytes);
          this.#listener?.onEvent(event);
        } else {
          this.#large.pieces.push(event.bytes);
          if (event.remaining === 0) return this.#endLarge(this.#large);
        }
        return null;
    }
  }

  /**
   * The events of a chunk of the tar are all taken: passes on what is at hand.
   *
   * @param release called when nothing is needed of the chunk any more; not after an error
   * @throws KernelError
   */
  async pushed(release: () => Promise<void>): Promise<void> {
    this.#releases.push(release);
    if (this.#large !== null) {
      this.#write(this.#large);
      return this.#submit(this.#large.written);
    }
    if (this.#files.length >= BATCH_FILES || this.#batchBytes >= BATCH_BYTES) await this.#submit();
  }

  /** Ends the layer. @throws KernelError a file could not be stored */
  async finish(): Promise<ImportStats> {
    await this.#submit();
    return this.#writer.finish();
  }

  /** Lets go of everything; for use after an error, harmless otherwise. */
  async close(): Promise<void> {
    this.#large?.writer.abort();
    await this.#writer.drain();
  }

  #inline(bytes: Uint8Array): void {
    this.#chunks.push({ inline: bytes });
    this.#batchBytes += bytes.length;
    this.#runBytes += bytes.length;
    if (this.#runBytes <= MAX_RUN_BYTES) return;
    throw new OciError("TAR_LIMIT", `layer ${this.#layer}: more than ${MAX_RUN_BYTES} bytes without a file to store`, {
      details: { layer: this.#layer, limit: MAX_RUN_BYTES },
      hint: "no sound image has such a layer",
    });
  }

  async #openLarge(path: Uint8Array, size: number): Promise<void> {
    await this.#submit();
    const writer = this.#createWriter(path);
    this.#large = { path: new Uint8Array(path), size, writer, pieces: [], written: Promise.resolve() };
  }

  #createWriter(path: Uint8Array): ObjectWriter {
    try {
      return this.#store.createWriter();
    } catch (error) {
      throw storing(fileOfLayer(this.#layer, path), error);
    }
  }

  /** Has the pieces at hand written after those before. */
  #write(file: LargeFile): void {
    const { path, writer, pieces } = file;
    file.pieces = [];
    file.written = file.written
      .then(() => writer.write(pieces))
      .catch((error: unknown) => {
        throw storing(fileOfLayer(this.#layer, path), error);
      });
    file.written.catch(() => undefined); // a batch awaits it, unless another error comes first
  }

  #takeSmall(file: SmallFile, bytes: Uint8Array, last: boolean): void {
    const whole = last && file.joined === null;
    if (!whole) {
      file.joined ??= Buffer.allocUnsafeSlow(file.size);
      file.joined.set(bytes, file.joinedBytes);
      file.joinedBytes += bytes.length;
    }
    if (!last) return;
    this.#small = null;
    this.#runBytes = 0;
    this.#contents.push(file.joined ?? bytes);
    this.#chunks.push({ external: this.#firstFile + this.#files.length });
    this.#files.push(file);
    this.#batchBytes += file.size;
  }

  async #endLarge(file: LargeFile): Promise<void> {
    const { writer } = file;
    this.#large = null;
    this.#runBytes = 0;
    this.#write(file);
    const firstFile = this.#firstFile;
    this.#firstFile++;
    const finish = async (): Promise<readonly StoreOutcome[]> => {
      try {
        await file.written;
      } catch (error) {
        writer.abort();
        throw error;
      }
      return [await writer.finish()];
    };
    const chunks = [{ external: firstFile }];
    await this.#writer.submit({ chunks, firstFile, files: [file], outcomes: finish(), releases: [] });
  }

  /** @param written what else must be done before the chunks are released */
  async #submit(written: Promise<void> = Promise.resolve()): Promise<void> {
    const [chunks, files, contents, firstFile] = [this.#chunks, this.#files, this.#contents, this.#firstFile];
    const releases = this.#releases;
    if (chunks.length === 0 && releases.length === 0) return;
    this.#chunks = [];
    this.#files = [];
    this.#contents = [];
    this.#releases = [];
    this.#firstFile += files.length;
    this.#batchBytes = 0;
    const store = async (): Promise<readonly StoreOutcome[]> => {
      const outcomes = contents.length === 0 ? [] : await this.#store.storeBuffers(contents);
      await written;
      return outcomes;
    };
    await this.#writer.submit({ chunks, firstFile, files, outcomes: store(), releases });
  }
}
