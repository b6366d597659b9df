import { availableParallelism } from "node:os";
import type { ErofsVersion, ObjectId, Repository } from "@composefs/core";
import pLimit from "p-limit";
import { digestOf, type OciDigest } from "../digest.ts";
import { digestMismatch } from "../digest-mismatch.ts";
import { OciError } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import { type FinalImage, type FinalizeOptions, finalizeImage, refuseArtifact } from "../image/finalize-image.ts";
import { type Manifest, parseManifest } from "../image/manifest.ts";
import { tagRef } from "../image/tag-name.ts";
import { addStats, emptyStats, type ImportStats } from "../import-stats.ts";
import { findLayer } from "../layer/find-layer.ts";
import type { StoredLayer } from "../layer/store-layer.ts";
import type { ProgressListener } from "../progress.ts";
import type { ImageSource, SourceLayer } from "./image-source.ts";

/** Settings of {@link importImage}. */
export type ImportImageOptions = FinalizeOptions;

/** An imported image. */
export interface PullResult {
  readonly kind: "container" | "artifact";
  readonly manifestDigest: OciDigest;
  readonly configDigest: OciDigest;
  /** The manifest's splitstream. */
  readonly manifestId: ObjectId;
  /** The config's splitstream. */
  readonly configId: ObjectId;
  /** EROFS images by format, the repository's default first; none for an artifact. */
  readonly imageIds: ReadonlyMap<ErofsVersion, ObjectId>;
  /** Images to boot; null unless they were asked for. */
  readonly bootImages: FinalImage["bootImages"];
  readonly tag: string | null;
  /** Whether any name in the repository changed; false when everything was there already. */
  readonly changed: boolean;
  readonly stats: ImportStats;
}

/**
 * Most layers of a container image; podman and docker take far fewer. A manifest can name a layer a hundred thousand times,
 * and each time it is applied anew.
 */
const MAX_LAYERS = 1000;

/** A distinct layer of the image and where it stands. */
interface PlannedImport {
  readonly diffId: OciDigest;
  readonly source: SourceLayer;
  /** Set once the repository has the layer's splitstream. */
  stored: StoredLayer | null;
  /** Whether the repository had it from the start. */
  readonly present: boolean;
}

/**
 * Brings an image into the repository: layers that are missing, several at a time, then config and manifest, and only
 * when all of it is on disk their names and the tag. A container image gets its EROFS images too. Whatever fails before,
 * nothing has got a name.
 *
 * @throws OciError `MANIFEST_INVALID`, `MANIFEST_UNSUPPORTED`, `BLOB_DIGEST_MISMATCH`, `LAYER_COUNT_MISMATCH`,
 *   `REF_INVALID`, `LAYER_UNSUPPORTED` no file tree can be made of a layer; ComposefsError `REPO_READ_ONLY`,
 *   `TREE_INVALID` no `/usr`, `IMAGE_UNREPRESENTABLE`; errors of the source; KernelError; rejects with `signal.reason`
 */
export async function importImage(
  repository: Repository,
  source: ImageSource,
  options: ImportImageOptions = {},
): Promise<PullResult> {
  const { tag = null, onProgress, signal } = options;
  if (tag !== null) tagRef(tag);
  repository.ensureWritable();
  const manifest = parseManifest(source.manifest);
  const manifestDigest = digestOf(source.manifest, source.manifestDigest);
  const configDigest = manifest.config.digest;
  if (options.bootable) refuseArtifact({ kind: manifest.kind, manifestDigest });
  checkConfig(source.config, configDigest);
  checkLayers(source, manifest);

  const plan = await planLayers(repository, source.layers, manifest.kind);
  onProgress?.({
    type: "plan",
    components: plan.map(({ diffId, source: { bytes }, present }) => ({ id: diffId, bytes, present })),
  });
  await source.prepare?.(plan.filter(({ present }) => !present).map(({ source: layer }) => layer));
  onProgress?.({ type: "stage", stage: "layers" });
  await storeLayers(plan, onProgress, signal);
  signal?.throwIfAborted();

  const ids = new Map(plan.map(({ diffId, stored }) => [diffId, (stored as StoredLayer).id]));
  const final = await finalizeImage(
    repository,
    {
      kind: manifest.kind,
      subject: manifest.subject?.digest ?? null,
      manifestDigest,
      manifest: source.manifest,
      configDigest,
      config: source.config,
      layers: source.layers.map(({ diffId }) => ({ diffId, id: ids.get(diffId) as ObjectId })),
    },
    options,
  );
  const stats = sumStats(plan, source.layers.length);
  return { kind: manifest.kind, manifestDigest, configDigest, ...final, tag, stats };
}

function checkConfig(config: Uint8Array, expected: OciDigest): void {
  const actual = digestOf(config, expected);
  if (actual !== expected) throw digestMismatch(`config ${expected}`, expected, actual);
}

function checkLayers(source: ImageSource, manifest: Manifest): void {
  if (manifest.kind === "container" && manifest.layers.length > MAX_LAYERS) {
    throw new OciError(
      "MANIFEST_UNSUPPORTED",
      `the image has ${manifest.layers.length} layers, at most ${MAX_LAYERS} are taken`,
      { details: { layers: manifest.layers.length, limit: MAX_LAYERS }, hint: "build the image with fewer layers" },
    );
  }
  const expected =
    manifest.kind === "container" ? parseConfig(source.config).diffIds : manifest.layers.map(({ digest }) => digest);
  if (expected.length !== manifest.layers.length) {
    throw new OciError(
      "LAYER_COUNT_MISMATCH",
      `the manifest has ${manifest.layers.length} layers, the config ${expected.length} diff_ids`,
      { details: { layers: manifest.layers.length, diffIds: expected.length } },
    );
  }
  const found = source.layers.map(({ diffId }) => diffId);
  if (found.length === expected.length && found.every((diffId, i) => diffId === expected[i])) return;
  throw new OciError("LAYER_COUNT_MISMATCH", "the source's layers are not those of the image", {
    details: { expected, found },
  });
}

/** The distinct layers in order, with what the repository has of them. */
async function planLayers(
  repository: Repository,
  layers: readonly SourceLayer[],
  kind: Manifest["kind"],
): Promise<PlannedImport[]> {
  const distinct = new Map<OciDigest, SourceLayer>();
  for (const source of layers) if (!distinct.has(source.diffId)) distinct.set(source.diffId, source);
  // Several at a time: the native threads look for the objects of one while the stream of another is read here.
  const limit = pLimit(availableParallelism());
  return limit.map(distinct.values(), async (source): Promise<PlannedImport> => {
    const { diffId } = source;
    const found = await findLayer(repository, diffId, kind === "container" ? "tar" : "any");
    const stored =
      found === null ? null : { id: found.id, stats: { ...emptyStats(), objectsAlreadyPresent: found.objects } };
    return { diffId, source, stored, present: found !== null };
  });
}

async function storeLayers(
  plan: readonly PlannedImport[],
  onProgress: ProgressListener | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  const failed = new AbortController();
  const either = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const storeOne = async (layer: PlannedImport): Promise<void> => {
    if (either.aborted) return;
    const { diffId: id, source } = layer;
    const { bytes } = source;
    const onBytes = (done: number): void => onProgress?.({ type: "progress", id, done, total: bytes, unit: "bytes" });
    let size = 0;
    try {
      onProgress?.({ type: "start", id, bytes });
      layer.stored = await source.store({
        signal: either,
        onBytes: (done) => {
          size = done;
          onBytes(done);
        },
      });
      onProgress?.({ type: "done", id, bytes: size, stats: layer.stored.stats });
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  for (const { diffId: id, source, present } of plan)
    if (present) onProgress?.({ type: "skip", id, bytes: source.bytes });
  // Largest first, so that the last to finish is a small one.
  const missing = plan.filter(({ present }) => !present);
  missing.sort((a, b) => (b.source.bytes ?? 0) - (a.source.bytes ?? 0));
  const limit = pLimit(availableParallelism());
  await Promise.allSettled(missing.map((layer) => limit(storeOne, layer)));
  // The first error aborted the others, whose own errors only echo it.
  either.throwIfAborted();
}

function sumStats(plan: readonly PlannedImport[], layers: number): ImportStats {
  const total = emptyStats();
  for (const { stored } of plan) if (stored !== null) addStats(total, stored.stats);
  const fresh = plan.filter(({ present }) => !present).length;
  return { ...total, layers, layersAlreadyPresent: layers - fresh };
}
