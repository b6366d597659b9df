import type { ObjectId, SplitstreamPart, SplitstreamWriter, StoreFailure, StoreOutcome } from "@composefs/core";
import type { SplitChunk } from "@composefs/splitfdstream";
import { OciError } from "../errors.ts";
import { countObject, emptyStats, type ImportStats, type StatsCounter } from "../import-stats.ts";

/** Content up to this many bytes stays in the splitstream; larger content becomes an object (oci.md §2.2). */
export const INLINE_MAX_BYTES = 64;

/**
 * Most bytes of a splitstream, which is held until its layer ends. A layer of a million files has some 30 MiB; one with more
 * than this has content where only headers should be.
 */
const MAX_STREAM_BYTES = 256 * 1024 * 1024;

/** A run of a layer whose files are on their way into the repository. */
export interface WriteBatch<File extends { readonly size: number }> {
  readonly chunks: readonly SplitChunk[];
  /** External index of the first of `files`. */
  readonly firstFile: number;
  readonly files: readonly File[];
  /** What became of each of `files`. */
  readonly outcomes: Promise<readonly StoreOutcome[]>;
  /** Called once this batch and all before it are written. */
  readonly releases?: readonly (() => Promise<void>)[];
}

/** Words a failure of one file as an error of the source or the repository. */
export type FailureToError<File> = (file: File, failure: StoreFailure) => Error;

type Settled = { readonly ok: readonly StoreOutcome[] } | { readonly error: unknown };
interface Pending<File extends { readonly size: number }> {
  readonly batch: WriteBatch<File>;
  readonly settled: Promise<Settled>;
}

/** Batches under way at once: one being stored, one queued behind it, one being put together. */
const MAX_PENDING = 3;

/**
 * Writes a layer's splitstream from batches whose files are stored in the background. Batches are written in the order
 * they were submitted, whatever finishes first, so equal layers give equal streams. Always {@link LayerWriter.drain}
 * before what the batches read from is closed.
 */
export class LayerWriter<File extends { readonly size: number }> {
  readonly #stream: SplitstreamWriter;
  readonly #layer: string;
  readonly #toError: FailureToError<File>;
  readonly #onPart: ((part: SplitstreamPart) => void) | undefined;
  readonly #stats: StatsCounter = emptyStats();
  readonly #pending: Pending<File>[] = [];

  /**
   * @param layer for messages
   * @param onPart told each part of the stream as it is written
   */
  constructor(
    stream: SplitstreamWriter,
    layer: string,
    toError: FailureToError<File>,
    onPart?: (part: SplitstreamPart) => void,
  ) {
    this.#stream = stream;
    this.#onPart = onPart;
    this.#layer = layer;
    this.#toError = toError;
  }

  /**
   * Takes a batch, after waiting for the oldest when too many are under way.
   *
   * @throws the error of a batch before it; OciError `TAR_LIMIT`
   */
  async submit(batch: WriteBatch<File>): Promise<void> {
    const settled = batch.outcomes.then(
      (ok): Settled => ({ ok }),
      (error: unknown): Settled => ({ error }),
    );
    this.#pending.push({ batch, settled });
    if (this.#pending.length >= MAX_PENDING) await this.#writeOldest();
  }

  /** Writes what is still under way. @throws the error of the first batch that failed */
  async finish(): Promise<ImportStats> {
    while (this.#pending.length > 0) await this.#writeOldest();
    return { ...this.#stats, bytesInlined: this.#stream.inlineBytes };
  }

  /** Waits until no batch reads from its source any more; for use after an error. */
  async drain(): Promise<void> {
    await Promise.all(this.#pending.splice(0).map(({ settled }) => settled));
  }

  async #writeOldest(): Promise<void> {
    const oldest = this.#pending.shift();
    if (oldest === undefined) return;
    const settled = await oldest.settled;
    if ("error" in settled) throw settled.error;
    this.#checkFailures(oldest.batch, settled.ok);
    this.#write(oldest.batch, settled.ok);
    await Promise.all((oldest.batch.releases ?? []).map((release) => release()));
  }

  #checkFailures({ files }: WriteBatch<File>, outcomes: readonly StoreOutcome[]): void {
    let cancelled: Error | null = null;
    for (const [i, outcome] of outcomes.entries()) {
      if (!("failure" in outcome)) continue;
      const error = this.#toError(files[i] as File, outcome.failure);
      if (outcome.failure.step !== "cancelled") throw error;
      cancelled ??= error;
    }
    if (cancelled !== null) throw cancelled;
  }

  #write({ chunks, files, firstFile }: WriteBatch<File>, outcomes: readonly StoreOutcome[]): void {
    for (const chunk of chunks) {
      if ("inline" in chunk) {
        this.#writeInline(chunk.inline);
        continue;
      }
      const index = chunk.external - firstFile;
      const outcome = outcomes[index] as StoreOutcome;
      const { size } = files[index] as File;
      if ("inline" in outcome) this.#writeInline(outcome.inline);
      else if ("id" in outcome) {
        const object = outcome.id as ObjectId;
        this.#stream.external(object, size);
        this.#onPart?.({ object });
        countObject(this.#stats, outcome.method, size);
      }
    }
    const { compressedBytes } = this.#stream;
    if (compressedBytes > MAX_STREAM_BYTES) throw this.#tooLarge(compressedBytes);
  }

  #writeInline(inline: Uint8Array): void {
    this.#stream.inline(inline);
    this.#onPart?.({ inline });
  }

  #tooLarge(compressedBytes: number): OciError {
    const offset = this.#stream.size;
    return new OciError(
      "TAR_LIMIT",
      `layer ${this.#layer}: more than ${MAX_STREAM_BYTES} bytes that belong to no file, up to byte ${offset} of the tar`,
      {
        details: { layer: this.#layer, limit: MAX_STREAM_BYTES, compressedBytes, offset },
        hint: "no sound image has such a layer",
      },
    );
  }
}
