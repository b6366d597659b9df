import type { AccessOptions } from "./blob-source.ts";

/** Content of a regular file. */
export interface FileContent {
  /** Bytes. */
  readonly size: number;
  /** The bytes in pieces that stay valid, unless `reuse` says that they need not. May be read once at a time. */
  read(options?: AccessOptions): AsyncIterable<Uint8Array>;
  /** Gives back what it holds open. */
  close(): Promise<void>;
}

/** Files by path, of a directory or a tar. */
export interface FileSet {
  /**
   * Opens a file; null when there is none of this path.
   *
   * @param path relative, with slashes
   * @throws OciError `SOURCE_INVALID` the path is no regular file; KernelError
   */
  open(path: string): Promise<FileContent | null>;
  /** Gives back files that it holds open; those that it handed out must be closed before. */
  close(): Promise<void>;
}
