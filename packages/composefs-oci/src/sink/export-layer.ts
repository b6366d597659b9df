import type { ObjectId, Repository } from "@composefs/core";
import { type CompressionKind, compress } from "../compression/compress.ts";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { Descriptor } from "../image/manifest.ts";
import { checkDiffId } from "../layer/verify-stored-layer.ts";
import { finishDigest, startDigest } from "../long-digest.ts";
import { layerCompression } from "../media-types.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";
import type { BlobSink, StoredBlob } from "./blob-sink.ts";
import { gather } from "./gather.ts";

/** A stored layer and the blob it came from. */
export interface LayerToExport {
  /** The diff_id; of an artifact's layer the digest of its blob. */
  readonly diffId: OciDigest;
  /** What the manifest says of the blob. */
  readonly descriptor: Descriptor;
  /** Its splitstream. */
  readonly id: ObjectId;
}

/** Settings of {@link exportLayer}. */
export interface ExportLayerOptions {
  /** Whether `diffId` is the digest of the tar, to be checked while it is read. */
  readonly checkDiffId: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the tar are done. */
  readonly onBytes?: ((done: number) => void) | undefined;
}

/**
 * Stores a layer's blob at the sink. One that was not compressed comes out byte for byte; a compressed one cannot be had
 * back from its content, so the tar is compressed anew, mostly to other bytes than before.
 *
 * @returns the blob that is at the sink now
 * @throws OciError `LAYER_UNSUPPORTED` a media type unknown here; `DIFF_ID_MISMATCH`, `BLOB_DIGEST_MISMATCH` the stored layer
 *   is not what the image says; errors of the sink; ComposefsError of damaged objects; rejects with `signal.reason`
 */
export async function exportLayer(
  repository: Repository,
  { diffId, descriptor, id }: LayerToExport,
  sink: BlobSink,
  options: ExportLayerOptions,
): Promise<StoredBlob> {
  const { signal, onBytes } = options;
  const stream = await repository.openStreamObject(id, contentId("layer", diffId));
  const open = (): AsyncIterable<Uint8Array> => counted(gather(repository.readStream(stream, { signal })), onBytes);
  const kind = stream.type === CONTENT_TYPE.layer ? recompression(descriptor, diffId) : null;
  if (kind === null) {
    const { digest, size } = descriptor;
    return sink.putBlob(open, { digest, size }, { signal });
  }
  const openTar = options.checkDiffId ? () => checked(open(), diffId) : open;
  return sink.putBlob(() => compress(openTar(), kind), null, { signal });
}

/** How the tar must be compressed; null when it is the blob itself. */
function recompression({ mediaType, digest }: Descriptor, diffId: OciDigest): CompressionKind | null {
  const compression = layerCompression(mediaType);
  // Some tools write compressed media types for plain tars.
  if (compression === "none" || (digest === diffId && compression !== null)) return null;
  if (compression !== null) return compression;
  throw new OciError("LAYER_UNSUPPORTED", `layer ${diffId}: no way is known to make a blob of type '${mediaType}'`, {
    details: { layer: diffId, mediaType },
    hint: "copy the image from its source with another tool",
  });
}

async function* counted(
  content: AsyncIterable<Uint8Array>,
  onBytes: ((done: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const bytes of content) {
    yield bytes;
    done += bytes.length;
    onBytes?.(done);
  }
}

async function* checked(content: AsyncIterable<Uint8Array>, diffId: OciDigest): AsyncGenerator<Uint8Array> {
  const digester = startDigest(diffId);
  for await (const bytes of content) {
    const hashed = digester.update(bytes);
    yield bytes;
    await hashed;
  }
  checkDiffId(diffId, await finishDigest(digester, diffId));
}
