import { type Repository, type SplitstreamWriter, storeError } from "@composefs/core";
import type { SplitChunk } from "@composefs/splitfdstream";
import type { TarEvent } from "@composefs/tar-header";
import { OciError } from "../errors.ts";
import type { ImportStats } from "../import-stats.ts";
import { fileOfLayer, storing } from "./layer-errors.ts";
import { INLINE_MAX_BYTES, LayerWriter } from "./layer-writer.ts";

type ObjectStore = ReturnType<Repository["objects"]["store"]>;
type ObjectWriter = ReturnType<ObjectStore["createWriter"]>;

/** Larger files are written as they come. */
const WHOLE_MAX_BYTES = 1024 * 1024;
/** A batch is full with so many files, or so much of the tar. */
const BATCH_FILES = 512;
const BATCH_BYTES = 4 * 1024 * 1024;
/** Most bytes between two stored files; they are held, compressed, until the next one comes. Two million empty files. */
const MAX_RUN_BYTES = 1024 * 1024 * 1024;

interface TarFile {
  readonly size: number;
  readonly path: Uint8Array;
}

/** A file whose content comes. */
interface OpenFile extends TarFile {
  /** Where the content goes when the file is large. */
  readonly writer: ObjectWriter | null;
  /** What the writer has not got yet, views of the chunk. */
  pieces: Uint8Array[];
  /** The content of a small file that does not lie in one chunk, put together here. */
  joined: Uint8Array | null;
  joinedBytes: number;
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
  #chunks: SplitChunk[] = [];
  #files: TarFile[] = [];
  /** Views of chunks, of which nothing else is kept, and contents put together. */
  #contents: Uint8Array[] = [];
  #releases: (() => Promise<void>)[] = [];
  #firstFile = 0;
  #batchBytes = 0;
  #runBytes = 0;
  #file: OpenFile | null = null;

  constructor(repository: Repository, stream: SplitstreamWriter, layer: string) {
    this.#layer = layer;
    this.#store = repository.objects.store();
    this.#writer = new LayerWriter<TarFile>(stream, layer, ({ path }, failure) =>
      storeError(failure, fileOfLayer(layer, path)),
    );
  }

  /** Takes the next event. A promise comes back only when there is something to wait for. */
  take(event: TarEvent): Promise<void> | null {
    switch (event.type) {
      case "raw":
        this.#inline(event.bytes);
        return null;
      case "entry": {
        const { isFile, size, path } = event.entry;
        if (!isFile || size <= INLINE_MAX_BYTES) return null;
        if (size > WHOLE_MAX_BYTES) return this.#openLarge(path, size);
        this.#file = openFile(path, size, null);
        return null;
      }
      case "data":
        if (this.#file === null) this.#inline(event.bytes);
        else if (this.#file.writer === null) this.#takeSmall(this.#file, event.bytes, event.remaining === 0);
        else {
          this.#file.pieces.push(event.bytes);
          if (event.remaining === 0) return this.#endLarge(this.#file, this.#file.writer);
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
    const file = this.#file;
    if (file !== null && file.writer !== null) {
      const { pieces } = file;
      file.pieces = [];
      await this.#write(file, file.writer, pieces);
      return this.#submit();
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
    this.#file?.writer?.abort();
    await this.#writer.drain();
  }

  #inline(bytes: Uint8Array): void {
    this.#chunks.push({ inline: Buffer.from(bytes) });
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
    this.#file = openFile(path, size, this.#createWriter(path));
  }

  #createWriter(path: Uint8Array): ObjectWriter {
    try {
      return this.#store.createWriter();
    } catch (error) {
      throw storing(fileOfLayer(this.#layer, path), error);
    }
  }

  async #write({ path }: TarFile, writer: ObjectWriter, pieces: readonly Uint8Array[]): Promise<void> {
    try {
      await writer.write(pieces);
    } catch (error) {
      throw storing(fileOfLayer(this.#layer, path), error);
    }
  }

  #takeSmall(file: OpenFile, bytes: Uint8Array, last: boolean): void {
    const whole = last && file.joined === null;
    if (!whole) {
      file.joined ??= Buffer.allocUnsafeSlow(file.size);
      file.joined.set(bytes, file.joinedBytes);
      file.joinedBytes += bytes.length;
    }
    if (!last) return;
    this.#file = null;
    this.#runBytes = 0;
    this.#contents.push(file.joined ?? bytes);
    this.#chunks.push({ external: this.#firstFile + this.#files.length });
    this.#files.push(file);
    this.#batchBytes += file.size;
  }

  async #endLarge(file: OpenFile, writer: ObjectWriter): Promise<void> {
    this.#file = null;
    this.#runBytes = 0;
    try {
      await this.#write(file, writer, file.pieces);
    } catch (error) {
      writer.abort();
      throw error;
    }
    const external = this.#firstFile;
    this.#firstFile++;
    const outcomes = writer.finish().then((outcome) => [outcome]);
    await this.#writer.submit({ chunks: [{ external }], firstFile: external, files: [file], outcomes });
  }

  async #submit(): Promise<void> {
    const [chunks, files, contents, firstFile] = [this.#chunks, this.#files, this.#contents, this.#firstFile];
    const releases = this.#releases;
    if (chunks.length === 0 && releases.length === 0) return;
    this.#chunks = [];
    this.#files = [];
    this.#contents = [];
    this.#releases = [];
    this.#firstFile += files.length;
    this.#batchBytes = 0;
    const outcomes = contents.length === 0 ? Promise.resolve([]) : this.#store.storeBuffers(contents);
    await this.#writer.submit({ chunks, firstFile, files, outcomes, releases });
  }
}

function openFile(path: Uint8Array, size: number, writer: ObjectWriter | null): OpenFile {
  return { path: Buffer.from(path), size, writer, pieces: [], joined: null, joinedBytes: 0 };
}
