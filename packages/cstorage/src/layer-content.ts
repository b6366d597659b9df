import { directoryContent } from "./directory-content.ts";
import { CstorageError } from "./errors.ts";
import { gunzipFile } from "./gunzip-file.ts";
import { LayerAssembler } from "./layer-assembler.ts";
import type { LayerBatch, LayerRun } from "./layer-batch.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { TarSplitHandle } from "./tar-split-file.ts";

/** A layer locked and open for reading. Close it after use, also after an error. */
export interface LayerContent extends AsyncDisposable {
  /** The store's id of the layer. */
  readonly id: string;
  readonly diffId: string;
  /**
   * The layer's tar from its start, in batches of some hundred files or 1 MiB of tar headers. The consumer reads or
   * stores {@link LayerBatch.files} by {@link LayerBatch.content} and gives failures to {@link fileFailure}. The layer is
   * whole only when the generator has ended without error.
   *
   * @throws CstorageError `TAR_SPLIT_CORRUPT`, `UNSUPPORTED_ENTRY`; `DIFF_ID_MISMATCH` the tar's length is not the one
   *   the store recorded; from the helper also what it meets in opening files; rejects with `signal.reason`
   */
  batches(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<LayerBatch, void, undefined>;
  /**
   * Ends {@link LayerContent.batches}, then releases lock and descriptors; harmless when repeated. The caller first
   * waits for its own reads by {@link LayerBatch.content}.
   */
  close(): Promise<void>;
}

/** A layer open for reading in this process. */
export interface DirectoryLayerContent extends LayerContent {
  /** Directories to look for a file in, in this order; valid until the content is closed. */
  readonly dirs: readonly number[];
  /** The batches without a way to their files, which nobody has opened. */
  runs(options?: RunOptions): AsyncGenerator<LayerRun, void, undefined>;
}

/** How to cut a layer into runs. */
interface RunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Most files of a run; default 512. */
  readonly maxFiles?: number | undefined;
}

/** What {@link openLayerContent} puts together. */
export interface LayerParts {
  readonly id: string;
  readonly diffId: string;
  readonly uncompressedSize: number | null;
  readonly dirs: readonly number[];
  readonly tarSplit: TarSplitHandle;
  /** Closes lock and descriptors. */
  readonly release: () => void;
  /** Most bytes of tar-split, decompressed; default 1 GiB. */
  readonly maxMetadataBytes?: number;
}

/** Most bytes of tar-split, decompressed, that a layer may have; containers-storage.md §9.2. */
const MAX_METADATA_BYTES = 1024 * 1024 * 1024;

/** Makes the {@link LayerContent} of opened parts, which it owns from then on. */
export function openLayerContent(parts: LayerParts): DirectoryLayerContent {
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();
  let closed: Promise<void> | null = null;

  async function* runs(options: RunOptions = {}): AsyncGenerator<LayerRun, void> {
    options.signal?.throwIfAborted();
    closing.signal.throwIfAborted();
    const signal = options.signal === undefined ? closing.signal : AbortSignal.any([options.signal, closing.signal]);
    const source = gunzipFile(parts.tarSplit.fd, parts.tarSplit.file, signal, running);
    yield* assemble(parts, source, options.maxFiles);
  }

  async function* batches(
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<LayerBatch, void> {
    for await (const run of runs(options)) yield { ...run, content: directoryContent(parts, parts.dirs, run.files) };
  }

  const close = (): Promise<void> => {
    closed ??= (async () => {
      closing.abort(new Error(`layer ${parts.id}: closed while being read`));
      await Promise.all(running);
      parts.release();
    })();
    return closed;
  };

  const { id, diffId, dirs } = parts;
  return { id, diffId, dirs, runs, batches, close, [Symbol.asyncDispose]: close };
}

async function* assemble(
  parts: LayerParts,
  source: AsyncIterable<Buffer>,
  maxFiles: number | undefined,
): AsyncGenerator<LayerRun, void> {
  const lines = new LineSplitter();
  const assembler = new LayerAssembler(maxFiles);
  const { maxMetadataBytes = MAX_METADATA_BYTES } = parts;
  let metadataBytes = 0;
  for await (const chunk of source) {
    metadataBytes += chunk.length;
    if (metadataBytes > maxMetadataBytes) {
      throw new CstorageError("TAR_SPLIT_CORRUPT", `${parts.tarSplit.file}: more than ${maxMetadataBytes} bytes`, {
        details: { file: parts.tarSplit.file, limit: maxMetadataBytes },
      });
    }
    lines.push(chunk, assembler.push);
    while (assembler.full) yield assembler.take() as LayerRun;
  }
  lines.finish(assembler.push);
  const last = assembler.take();
  if (last !== null) yield last;
  checkTarLength(parts, assembler.totalBytes);
}

/** @throws CstorageError `DIFF_ID_MISMATCH` the tar has not as many bytes as the store recorded */
export function checkTarLength(layer: Pick<LayerParts, "id" | "uncompressedSize">, actual: number): void {
  const expected = layer.uncompressedSize;
  if (expected === null || expected === actual) return;
  throw new CstorageError(
    "DIFF_ID_MISMATCH",
    `layer ${layer.id}: expected a tar of ${expected} bytes, tar-split gives ${actual}`,
    { details: { layer: layer.id, expected, actual } },
  );
}
