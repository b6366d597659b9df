import type { ObjectStore, StoreOutcome } from "@composefs/reflink";
import type { LayerFile } from "./layer-batch.ts";

/** What an import wants of a file besides its content. */
export interface StoreRequest {
  /** Check the content against {@link LayerFile.crc64}. */
  readonly checkCrc: boolean;
  /** Hand the content back instead of storing an object; for small files. */
  readonly inline: boolean;
}

/**
 * How the files of a batch are reached: by name in the layer's directories, or as descriptors that the helper opened.
 * Failures go to {@link fileFailure}. Use it until the batch is released.
 */
export interface BatchContent {
  /**
   * Stores the files in one native batch and releases it; outcomes in the order of {@link LayerBatch.files}. After the
   * first failure, or once `signal` is aborted, files not yet begun fail at step `cancelled`.
   *
   * @param request what is wanted of each file
   */
  store(
    store: ObjectStore,
    request: (file: LayerFile) => StoreRequest,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<StoreOutcome[]>;
  /** Contents of the files from `first` to before `end`, none larger than `limit` bytes. */
  read(first: number, end: number, limit: number): Promise<StoreOutcome[]>;
  /**
   * Opens one file, its type and size checked.
   *
   * @returns a descriptor that the caller closes
   * @throws CstorageError as {@link fileFailure} words them; KernelError
   */
  open(index: number): Promise<number>;
  /** Whether all files may be opened by this process; what else may be wrong with them does not count. */
  readable(): Promise<boolean>;
  /** Closes what is open for the batch; harmless when repeated. */
  release(): void;
}

/** A file as the native batches take it. */
export function sourceOf(
  file: LayerFile,
  { checkCrc, inline }: StoreRequest,
): {
  path: Uint8Array;
  size: number;
  crc64: Uint8Array | null;
  inline: boolean;
} {
  const { path, size, crc64 } = file;
  return { path, size, crc64: checkCrc ? crc64 : null, inline };
}
