import type { Descriptor } from "../image/manifest.ts";

/** What a descriptor says about the machine an image is for. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | null;
}

/** A manifest or an index that a reference may mean. */
export interface Candidate extends Descriptor {
  /** Null where the source does not say. */
  readonly platform: Platform | null;
}

/** Settings of a single access to a source. */
export interface AccessOptions {
  readonly signal?: AbortSignal | undefined;
  /** A piece is used up before the next but one is asked for, so that its buffer may be filled anew; default false. */
  readonly reuse?: boolean | undefined;
}

/**
 * A place where one reference's manifests and blobs can be read: a layout, an archive, a repository of a registry.
 * Whoever reads checks digests and sizes: sources hand out what they find. Nothing is written to the place.
 */
export interface BlobSource {
  /** The reference as it was given, for messages. */
  readonly reference: string;
  /**
   * Manifests and indexes that the reference means, in the order of the source; never none.
   *
   * @throws OciError `SOURCE_NOT_FOUND` no such tag or digest; `SOURCE_INVALID`; `TRANSPORT`
   */
  candidates(options?: AccessOptions): Promise<readonly Candidate[]>;
  /**
   * The bytes of a manifest or an index, at most as many as a little more than the descriptor says, so that a wrong size
   * shows.
   *
   * @throws OciError `SOURCE_NOT_FOUND`, `TRANSPORT`
   */
  readManifest(descriptor: Descriptor, options?: AccessOptions): Promise<Uint8Array>;
  /**
   * The bytes of a blob as they are stored, compressed or not. Ending the iteration early gives back all that it holds.
   *
   * @throws OciError `SOURCE_NOT_FOUND`, `TRANSPORT`; KernelError
   */
  readBlob(descriptor: Descriptor, options?: AccessOptions): AsyncIterable<Uint8Array>;
  /** Manifests about another one (artifacts with a `subject`); absent where the source cannot tell. */
  readReferrers?(subject: Descriptor, options?: AccessOptions): Promise<readonly Candidate[]>;
  /** Gives back files and connections. */
  close(): Promise<void>;
}
