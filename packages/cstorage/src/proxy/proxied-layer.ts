import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { MAX_MESSAGE_FDS } from "@composefs/reflink";
import type { BatchContent } from "../batch-content.ts";
import type { LayerBatch } from "../layer-batch.ts";
import { checkTarLength, type LayerContent } from "../layer-content.ts";
import type { StoreLayer } from "../store-layer.ts";
import type { LockOptions } from "../store-lock.ts";
import type { HelperConnection } from "./connection.ts";
import { descriptorContent } from "./descriptor-content.ts";
import type { LayerStream } from "./layer-stream.ts";
import type { LayerFacts } from "./records.ts";

/** Runs of a layer under way: three wait to be written, one is read, the others hide the way here. */
const WINDOW = 8;
/** Descriptors left to everything else. */
const RESERVED_FDS = 256;

/** A layer that the helper reads. */
export function proxiedLayer(connection: HelperConnection, facts: LayerFacts): StoreLayer {
  const { id, diffId, uncompressedSize, root } = facts;
  const open = async (options: LockOptions = {}): Promise<ProxiedLayerStream> => {
    const { signal, lockTimeoutMs } = options;
    const stream = await connection.stream(
      { id, diffId, window: WINDOW, maxFiles: filesPerRun(readFileSync("/proc/self/limits", "latin1")), lockTimeoutMs },
      signal,
    );
    return new ProxiedLayerStream(connection, facts, stream.id, stream.runs);
  };
  return { id, diffId, uncompressedSize, root, open };
}

/**
 * A layer as the helper sends it: runs of splitfdstream, and a descriptor for each file. Its batches hold the
 * descriptors; the helper keeps {@link WINDOW} of them ahead of the reader and no more.
 */
export class ProxiedLayerStream implements LayerContent {
  readonly id: string;
  readonly diffId: string;
  readonly #connection: HelperConnection;
  readonly #facts: LayerFacts;
  readonly #stream: number;
  readonly #runs: LayerStream;
  readonly #closing = new AbortController();
  readonly #held = new Set<BatchContent>();
  #closed: Promise<void> | null = null;

  constructor(connection: HelperConnection, facts: LayerFacts, stream: number, runs: LayerStream) {
    this.id = facts.id;
    this.diffId = facts.diffId;
    this.#connection = connection;
    this.#facts = facts;
    this.#stream = stream;
    this.#runs = runs;
  }

  async *batches(options: { readonly signal?: AbortSignal | undefined } = {}): AsyncGenerator<LayerBatch, void> {
    const closing = this.#closing.signal;
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing]);
    let tarBytes = 0;
    for (;;) {
      const received = await this.#runs.next(signal);
      if (received === null) break;
      const { run, fds, totalBytes } = received;
      tarBytes += totalBytes;
      const content = descriptorContent(this, run.files, fds, () => {
        this.#held.delete(content);
        this.#connection.done(this.#stream);
      });
      this.#held.add(content);
      if (fds.length === 0) content.release();
      yield { ...run, content };
    }
    checkTarLength(this.#facts, tarBytes);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort(new Error(`layer ${this.id}: closed while being read`));
    for (const content of [...this.#held]) content.release();
    if (!this.#runs.ended) this.#connection.cancel(this.#stream);
    await this.#runs.abandon();
  }
}

/**
 * Files of a run, so that the runs of all layers pulled at once keep within half the limit of open files.
 *
 * @param limits text of `/proc/self/limits`
 */
export function filesPerRun(limits: string): number {
  const [, soft] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
  const budget = (Number(soft ?? Number.MAX_SAFE_INTEGER) - RESERVED_FDS) / 2;
  const files = Math.floor(budget / (WINDOW * availableParallelism()));
  return Math.max(1, Math.min(MAX_MESSAGE_FDS, files));
}
