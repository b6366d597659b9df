import type { SplitChunk } from "@composefs/splitfdstream";
import { entryPath } from "./entry-path.ts";
import { CstorageError } from "./errors.ts";
import type { LayerFile, LayerRun } from "./layer-batch.ts";
import { parseTarSplitLine, type TarSplitFile } from "./tar-split-line.ts";

/** Files after which a batch is full, unless told otherwise. */
const BATCH_FILES = 512;
/** Segment bytes after which a batch is full. */
const BATCH_SEGMENT_BYTES = 1024 * 1024;
/** Segments are decoded into buffers of this size, one after the other. */
const SLAB_BYTES = 256 * 1024;
const HEADER_BYTES = 512;
const TYPE_FLAG_OFFSET = 156;
const TYPE_LINK = 0x31;
const TYPE_FIFO = 0x36;
const TYPE_SPARSE = 0x53;

/** Turns the lines of a tar-split into batches; the rules of containers-storage.md §3.3 that need no file. */
export class LayerAssembler {
  /** Full batches that nobody has taken yet: one push of bytes may hold many lines. */
  readonly #sealed: LayerRun[] = [];
  #chunks: SplitChunk[] = [];
  #files: LayerFile[] = [];
  #segmentBytes = 0;
  #firstFile = 0;
  #lineNumber = 0;
  #totalBytes = 0;
  #slab: Buffer = Buffer.alloc(0);
  #slabUsed = 0;
  /** The last bytes of all segments since the previous file entry: at the next one, its header. */
  readonly #header: Buffer = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  readonly #batchFiles: number;

  /** @param batchFiles files after which a batch is full */
  constructor(batchFiles: number = BATCH_FILES) {
    this.#batchFiles = batchFiles;
  }

  /** Bytes of the tar so far. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** Whether the consumer should {@link LayerAssembler.take} what there is. */
  get full(): boolean {
    return this.#sealed.length > 0;
  }

  /** Takes one line. @throws CstorageError `TAR_SPLIT_CORRUPT`, `UNSUPPORTED_ENTRY` */
  readonly push = (line: Buffer): void => {
    this.#lineNumber++;
    const item = parseTarSplitLine(line, this.#lineNumber, this.#allocate);
    if (item.type === "file") this.#pushFile(item);
    else if (item.bytes.length > 0) this.#pushSegment(item.bytes);
    if (this.#files.length >= this.#batchFiles || this.#segmentBytes >= BATCH_SEGMENT_BYTES) this.#seal();
  };

  /** The oldest full batch, else the one gathered so far, or null when that is empty; the next one starts afresh. */
  take(): LayerRun | null {
    if (this.#sealed.length === 0 && this.#chunks.length > 0) this.#seal();
    return this.#sealed.shift() ?? null;
  }

  #seal(): void {
    this.#sealed.push({ chunks: this.#chunks, firstFile: this.#firstFile, files: this.#files });
    this.#firstFile += this.#files.length;
    this.#chunks = [];
    this.#files = [];
    this.#segmentBytes = 0;
  }

  #pushSegment(bytes: Uint8Array): void {
    this.#chunks.push({ inline: bytes });
    this.#segmentBytes += bytes.length;
    this.#totalBytes += bytes.length;
    this.#keepHeader(bytes);
  }

  #pushFile(file: TarSplitFile): void {
    const type = this.#headerBytes === HEADER_BYTES ? (this.#header[TYPE_FLAG_OFFSET] as number) : 0;
    this.#headerBytes = 0;
    if (type === TYPE_SPARSE) {
      const shown = Buffer.from(file.name).toString("utf8");
      throw new CstorageError("UNSUPPORTED_ENTRY", `tar-split line ${this.#lineNumber}: sparse entry "${shown}"`, {
        details: { line: this.#lineNumber, path: shown },
        hint: "tar-split records sparse files expanded; their archive cannot be rebuilt",
      });
    }
    // Links, devices, directories and fifos have no content, whatever size their header carries.
    if (file.size === 0 || (type >= TYPE_LINK && type <= TYPE_FIFO)) return;
    this.#totalBytes += file.size;
    if (!Number.isSafeInteger(this.#totalBytes)) {
      throw new CstorageError("TAR_SPLIT_CORRUPT", `tar-split line ${this.#lineNumber}: sizes add up beyond 2^53-1`, {
        details: { line: this.#lineNumber },
      });
    }
    const { name, size, crc64 } = file;
    this.#chunks.push({ external: this.#firstFile + this.#files.length });
    this.#files.push({ path: entryPath(name), name, size, crc64 });
  }

  #keepHeader(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length >= HEADER_BYTES) {
      this.#header.set(bytes.subarray(length - HEADER_BYTES));
      this.#headerBytes = HEADER_BYTES;
      return;
    }
    const kept = Math.min(this.#headerBytes, HEADER_BYTES - length);
    this.#header.copyWithin(0, this.#headerBytes - kept, this.#headerBytes);
    this.#header.set(bytes, kept);
    this.#headerBytes = kept + length;
  }

  readonly #allocate = (size: number): { target: Buffer; offset: number } => {
    if (size > SLAB_BYTES / 4) return { target: Buffer.allocUnsafeSlow(size), offset: 0 };
    if (this.#slabUsed + size > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#slabUsed = 0;
    }
    const offset = this.#slabUsed;
    this.#slabUsed += size;
    return { target: this.#slab, offset };
  };
}
