import type { Repository } from "@composefs/core";
import { CompressionError } from "../compression/compression-error.ts";
import { decompress, sniffCompression } from "../compression/decompress.ts";
import { PiecePool } from "../compression/piece-pool.ts";
import type { OciDigest } from "../digest.ts";
import { OciError, reworded } from "../errors.ts";
import type { Descriptor } from "../image/manifest.ts";
import { type Compression, layerCompression } from "../media-types.ts";
import type { BlobSource } from "../source/blob-source.ts";
import { VerifiedBlob } from "../source/verified-blob.ts";
import { storeBlobLayer } from "./blob-layer.ts";
import { storeTarLayer } from "./import-layer.ts";
import type { LayerListener } from "./layer-listener.ts";
import type { StoredLayer } from "./store-layer.ts";

/** Settings of {@link storeSourceLayer}. */
export interface SourceLayerStoreOptions {
  /** Check the tar against the diff_id; default true. */
  readonly verify?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the blob are read. */
  readonly onBytes?: ((done: number) => void) | undefined;
  readonly listener?: LayerListener | undefined;
}

/** Bytes that tell the compression. */
const START_BYTES = 4;

/**
 * Stores a layer's files and its splitstream, or one that is no tar as an object, out of its blob in a source. Digest and
 * size of the blob are checked to its end whatever else is wrong, and told first: a damaged copy is the likeliest cause.
 *
 * @param diffId of an artifact's layer the digest of its blob
 * @throws OciError `BLOB_DIGEST_MISMATCH`, `LAYER_CORRUPT` a sound blob that cannot be decompressed, codes of
 *   {@link storeTarLayer}, of the source; KernelError
 */
export async function storeSourceLayer(
  repository: Repository,
  source: BlobSource,
  descriptor: Descriptor,
  diffId: OciDigest,
  options: SourceLayerStoreOptions,
): Promise<StoredLayer> {
  const { signal, onBytes, verify, listener } = options;
  const compression = layerCompression(descriptor.mediaType);
  // Decoders have one piece in use and one that comes; pieces of a plain tar wait until they are stored.
  const reuse = compression === "gzip" || compression === "zstd";
  const blob = new VerifiedBlob(source.readBlob(descriptor, { signal, reuse }), descriptor, "blob");
  let start: Uint8Array = new Uint8Array();
  async function* read(): AsyncGenerator<Uint8Array> {
    for await (const chunk of blob.read()) {
      if (start.length < START_BYTES) start = Buffer.concat([start, chunk.subarray(0, START_BYTES)]);
      yield chunk;
      onBytes?.(blob.offset);
    }
  }
  try {
    if (compression === null) return await storeBlobLayer(repository, descriptor.digest, read(), { signal });
    const pieces = new PiecePool();
    const tar = decompress(read(), compression, pieces);
    const release = (piece: Uint8Array): void => pieces.give(piece);
    const stored = await storeTarLayer(repository, diffId, tar, { signal, verify, release, listener });
    await blob.verify();
    return stored;
  } catch (error) {
    signal?.throwIfAborted();
    try {
      const judged = compression === null ? error : judge(error, diffId, descriptor, compression, start);
      if (judged instanceof OciError && !OF_SOURCE.has(judged.code)) await blob.verify(judged);
      throw judged;
    } catch (last) {
      throw ofLayer(last, diffId);
    }
  } finally {
    await blob.close();
  }
}

/** Codes of errors after which there is nothing left to read. */
const OF_SOURCE: ReadonlySet<string> = new Set([
  "BLOB_DIGEST_MISMATCH",
  "SOURCE_NOT_FOUND",
  "SOURCE_INVALID",
  "AUTH_FAILED",
  "TRANSPORT",
]);

/** What the error of a tar means, given what the blob is said to be. */
function judge(
  error: unknown,
  layer: OciDigest,
  { digest, mediaType }: Descriptor,
  compression: Compression,
  start: Uint8Array,
): unknown {
  if (error instanceof CompressionError) {
    const { offset } = error;
    const where = `blob ${digest} at or after byte ${offset}`;
    return new OciError("LAYER_CORRUPT", `layer ${layer}: ${where}: ${error.message}`, {
      details: { layer, blob: digest, mediaType, offset },
      hint: "the blob is what the image says, but was made wrong; build or push the image again",
      cause: error.cause,
    });
  }
  const found = sniffCompression(start);
  if (compression !== "none" || found === "none" || !(error instanceof OciError) || OF_SOURCE.has(error.code))
    return error;
  return new OciError("LAYER_CORRUPT", `layer ${layer}: expected a plain tar by its media type, found ${found}`, {
    details: { layer, blob: digest, mediaType, offset: 0 },
    hint: "the image was made wrong; build or push it again",
    cause: error,
  });
}

/** The same error with the layer in front, unless it is there. */
function ofLayer(error: unknown, layer: OciDigest): unknown {
  if (!(error instanceof OciError) || error.details.layer !== undefined) return error;
  const named = error.message.startsWith("layer ") ? error.message : `layer ${layer}: ${error.message}`;
  return reworded(error, named, { layer });
}
