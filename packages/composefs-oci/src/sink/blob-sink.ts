import type { OciDigest } from "../digest.ts";
import type { Descriptor } from "../image/manifest.ts";
import type { AccessOptions } from "../source/blob-source.ts";

/** A stored blob. */
export interface BlobFacts {
  readonly digest: OciDigest;
  /** Bytes. */
  readonly size: number;
}

/** A blob at its place. */
export interface StoredBlob extends BlobFacts {
  /** Whether the place had it already, as far as it can tell. */
  readonly present?: boolean;
}

/** Begins to read a blob's content, each time from its first byte. */
export type OpenContent = () => AsyncIterable<Uint8Array>;

/** A place that an image can be handed to: a layout, an archive, a repository of a registry. */
export interface BlobSink {
  /** The reference as it was given, for messages. */
  readonly reference: string;
  /** Whether the place has the blob already; where `size` is given, with so many bytes as far as the place can tell. */
  hasBlob(digest: OciDigest, options?: AccessOptions & { readonly size?: number | undefined }): Promise<boolean>;
  /**
   * Stores a blob, which gets its name only when it is whole.
   *
   * @param open begins the content; called again where a fault of the place makes another attempt necessary
   * @param expected digest and size where they are known beforehand; content that differs is refused
   * @returns what was stored
   * @throws OciError `BLOB_DIGEST_MISMATCH`, `TRANSPORT`; KernelError
   */
  putBlob(open: OpenContent, expected: BlobFacts | null, options?: AccessOptions): Promise<StoredBlob>;
  /** Stores a manifest whose blobs are there, and gives it the name the reference has. */
  putManifest(descriptor: Descriptor, bytes: Uint8Array, options?: AccessOptions): Promise<void>;
  /** Stores a manifest about another one, whose blobs are there, under no name but its digest. */
  putReferrer(descriptor: Descriptor, bytes: Uint8Array, options?: AccessOptions): Promise<void>;
  /** Makes all of it permanent. */
  finish(): Promise<void>;
  /** Gives back files and connections; without `finish` before, nothing that was begun keeps a name. */
  close(): Promise<void>;
}
