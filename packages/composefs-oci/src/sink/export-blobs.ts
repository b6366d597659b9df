import { availableParallelism } from "node:os";
import type { Repository } from "@composefs/core";
import pLimit from "p-limit";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { OciImage } from "../image/image.ts";
import { storedLayer } from "../layer/stored-layer.ts";
import type { ProgressListener } from "../progress.ts";
import { contentId } from "../streams.ts";
import type { BlobFacts, BlobSink, StoredBlob } from "./blob-sink.ts";
import { exportLayer, type LayerToExport } from "./export-layer.ts";
import { once } from "./once.ts";
import { replaceLayerBlobs } from "./rewrite-manifest.ts";

/** Blobs, layers and configs, that an export stored or found; manifests do not count. */
export interface BlobTally {
  blobsWritten: number;
  bytesWritten: number;
  /** Blobs that the sink had already. */
  blobsPresent: number;
  bytesPresent: number;
}

/** An export under way. */
export interface BlobExport {
  readonly repository: Repository;
  readonly sink: BlobSink;
  /** Counts on. */
  readonly tally: BlobTally;
  /** Stops the other layers when one fails. */
  readonly failed: AbortController;
  /** Aborted also by `failed`. */
  readonly signal: AbortSignal;
  readonly onProgress: ProgressListener | undefined;
}

/**
 * Stores an image's layers, several at a time, and its config at a sink.
 *
 * @returns the manifest that names the blobs: the stored bytes if every blob is the original one
 * @throws OciError `LAYER_COUNT_MISMATCH`, `LAYER_NOT_FOUND`; errors as {@link exportLayer}; the signal's reason
 */
export async function exportBlobs(work: BlobExport, image: OciImage): Promise<Uint8Array> {
  const { repository, sink, signal } = work;
  const layers = layersToExport(repository, image);
  const blobs = await exportLayers(work, layers, image.config !== null);
  signal.throwIfAborted();
  const { digest, size } = image.manifest.config;
  if (await isPresent(work, { digest, size })) count(work.tally, { digest, size, present: true });
  else count(work.tally, await sink.putBlob(() => once(image.configBytes), { digest, size }, { signal }));
  const same = layers.every(({ descriptor }, i) => descriptor.digest === blobs[i]?.digest);
  return same ? image.manifestBytes : replaceLayerBlobs(image.manifestBytes, blobs);
}

async function exportLayers(
  work: BlobExport,
  layers: readonly LayerToExport[],
  container: boolean,
): Promise<readonly BlobFacts[]> {
  const { repository, sink, onProgress, tally, failed, signal } = work;
  const distinct = [...new Map(layers.map((layer) => [keyOf(layer), layer])).values()];
  const blobs = new Map<string, BlobFacts>();
  const plan: { readonly layer: LayerToExport; readonly bytes: number; readonly present: boolean }[] = [];
  for (const layer of distinct) {
    const { size: bytes } = await repository.openStreamObject(layer.id, contentId("layer", layer.diffId));
    const present = await isPresent(work, layer.descriptor);
    plan.push({ layer, bytes, present });
  }
  onProgress?.({
    type: "plan",
    components: plan.map(({ layer, bytes, present }) => ({ id: layer.diffId, bytes, present })),
  });
  onProgress?.({ type: "stage", stage: "layers" });
  for (const { layer, bytes, present } of plan) {
    if (!present) continue;
    blobs.set(keyOf(layer), layer.descriptor);
    count(tally, { ...layer.descriptor, present: true });
    onProgress?.({ type: "skip", id: layer.diffId, bytes });
  }
  const exportOne = async ({ layer, bytes }: (typeof plan)[number]): Promise<void> => {
    if (signal.aborted) return;
    const { diffId: id } = layer;
    const onBytes = (done: number): void => onProgress?.({ type: "progress", id, done, total: bytes, unit: "bytes" });
    try {
      onProgress?.({ type: "start", id, bytes });
      const blob = await exportLayer(repository, layer, sink, { checkDiffId: container, signal, onBytes });
      count(tally, blob);
      blobs.set(keyOf(layer), blob);
      onProgress?.({ type: "done", id, bytes, stats: null });
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  // Largest first, so that the last to finish is a small one.
  const missing = plan.filter(({ present }) => !present).sort((a, b) => b.bytes - a.bytes);
  const limit = pLimit(availableParallelism());
  await Promise.allSettled(missing.map((planned) => limit(exportOne, planned)));
  // The first error aborted the others, whose own errors only echo it.
  signal.throwIfAborted();
  return layers.map((layer) => blobs.get(keyOf(layer)) as BlobFacts);
}

/** The layers in the manifest's order. */
function layersToExport(repository: Repository, image: OciImage): LayerToExport[] {
  const { manifest, manifestDigest, config, configRefs } = image;
  const diffIds = config === null ? manifest.layers.map(({ digest }) => digest) : config.diffIds;
  if (diffIds.length !== manifest.layers.length) {
    throw new OciError(
      "LAYER_COUNT_MISMATCH",
      `image ${manifestDigest}: the manifest has ${manifest.layers.length} layers, the config ${diffIds.length} diff_ids`,
      { details: { manifestDigest, layers: manifest.layers.length, diffIds: diffIds.length } },
    );
  }
  return manifest.layers.map((descriptor, i) => {
    const diffId = diffIds[i] as OciDigest;
    return { diffId, descriptor, id: storedLayer(repository, diffId, configRefs) };
  });
}

function isPresent({ sink, signal }: BlobExport, { digest, size }: BlobFacts): Promise<boolean> {
  return sink.hasBlob(digest, { size, signal });
}

function keyOf({ descriptor, diffId }: LayerToExport): string {
  return `${descriptor.digest} ${descriptor.mediaType} ${diffId}`;
}

function count(tally: BlobTally, { size, present = false }: StoredBlob): void {
  if (present) {
    tally.blobsPresent++;
    tally.bytesPresent += size;
  } else {
    tally.blobsWritten++;
    tally.bytesWritten += size;
  }
}
