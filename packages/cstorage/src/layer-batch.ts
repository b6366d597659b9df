import type { SplitChunk } from "@composefs/splitfdstream";
import type { BatchContent } from "./batch-content.ts";

/** A file with content. */
export interface LayerFile {
  /** Path to open below the layer's directories; normalised. */
  readonly path: Uint8Array;
  /** Name as in the tar. */
  readonly name: Uint8Array;
  /** Size the content must have, in bytes; never 0. */
  readonly size: number;
  /** CRC-64 the content must have, 8 bytes big-endian. */
  readonly crc64: Uint8Array | null;
}

/** A run of a layer's tar, as its tar-split has it. */
export interface LayerRun {
  /** Never empty. An external index counts the files of the layer, not of the batch. */
  readonly chunks: readonly SplitChunk[];
  /** Index of the first of {@link LayerBatch.files}. */
  readonly firstFile: number;
  /** Files of this batch, in order; each has exactly one external chunk. */
  readonly files: readonly LayerFile[];
}

/** A run of a layer's tar and the way to the content of its files. Release its content after use, also after an error. */
export interface LayerBatch extends LayerRun {
  readonly content: BatchContent;
}
