import type { OciDigest } from "../digest.ts";
import type { LayerListener } from "../layer/layer-listener.ts";
import type { StoredLayer } from "../layer/store-layer.ts";

/** A layer that a source can deliver. */
export interface SourceLayer {
  /** The diff_id; of an artifact's layer the digest of its blob. */
  readonly diffId: OciDigest;
  /** The blob it is made of, where there is one; layers of one diff_id are made of one blob unless this differs. */
  readonly blob?: OciDigest | undefined;
  /** Bytes to be read: of the tar, or of the blob as the source has it; null when the source does not know. */
  readonly bytes: number | null;
  /**
   * Stores the layer's files and splitstream. The layer's content must have been checked against its diff_id as far as
   * the caller asked for.
   */
  store(options: SourceLayerOptions): Promise<StoredLayer>;
}

/** What {@link SourceLayer.store} is given. */
export interface SourceLayerOptions {
  readonly signal: AbortSignal;
  /** To be told how many of those bytes are done. */
  readonly onBytes: (done: number) => void;
  /** To be told all of the layer, or nothing. */
  readonly listener?: LayerListener | undefined;
}

/** An image somewhere, ready to be imported by {@link importImage}. */
export interface ImageSource {
  /** What the manifest is called where it comes from; default its sha256. */
  readonly manifestDigest?: OciDigest | undefined;
  /** Exact bytes, checked against the digest they were asked for by. */
  readonly manifest: Uint8Array;
  /** Exact bytes. */
  readonly config: Uint8Array;
  /** In the order of the config's diff_ids; a repeated diff_id may come as often as it stands there. */
  readonly layers: readonly SourceLayer[];
  /** Reads one layer after the other: they are then asked for in their order; else the largest comes first. */
  readonly inOrder?: boolean | undefined;
  /** Called once with the layers that will be stored, before anything is written. */
  prepare?(layers: readonly SourceLayer[]): Promise<void>;
}
