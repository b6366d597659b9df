/** A file that holds content of a stream. */
export interface BackedFile {
  /** 0-based index of the directory among those that travel with the stream. */
  readonly directory: number;
  /** Path below that directory, as sent: not checked yet. */
  readonly name: Uint8Array;
  /** Bytes of content, from the start of the file. */
  readonly size: number;
}

/**
 * A piece of a splitdirfdstream: tar headers and padding, content that was sent along (may be empty), or content to be
 * read from a file.
 */
export type SplitDirChunk =
  | { readonly metadata: Uint8Array }
  | { readonly inlineData: Uint8Array }
  | { readonly fileBacked: BackedFile };
