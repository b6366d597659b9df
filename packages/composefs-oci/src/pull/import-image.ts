import { availableParallelism } from "node:os";
import type { Directory, ErofsVersion, ObjectId, Repository } from "@composefs/core";
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
import type { LayerFeed } from "../tree/layer-feed.ts";
import type { TreeLayer } from "../tree/layers-tree.ts";
import { CompleteLayers } from "./complete-layers.ts";
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
  /** Artifacts about the image that came along. */
  readonly referrers: readonly OciDigest[];
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
  /** Layers of the same diff_id made of other blobs. */
  readonly others: readonly SourceLayer[];
  /** What the repository has of it; null when it is to be stored. */
  readonly present: StoredLayer | null;
}

/** All layers, stored. */
interface StoredLayers {
  readonly byDiffId: ReadonlyMap<OciDigest, StoredLayer>;
  /** Their tree, settled; undefined when none was made. */
  readonly tree: Promise<Directory> | undefined;
}

/**
 * Brings an image into the repository: layers that are missing, several at a time, then config and manifest, and only
 * when all of it is on disk their names and the tag. A container image gets its EROFS images too. Whatever fails before,
 * nothing has got a name, but for layers that were complete when the pull was interrupted, or for some seconds before
 * whatever ended it: the next one goes on from there.
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
    components: plan.map(({ diffId, source: { bytes }, present }) => ({
      id: diffId,
      bytes,
      present: present !== null,
    })),
  });
  await source.prepare?.(plan.filter(({ present }) => present === null).map(({ source: layer }) => layer));
  onProgress?.({ type: "stage", stage: "layers" });
  const complete = new CompleteLayers(repository);
  try {
    const { byDiffId, tree } = await storeLayers(
      repository,
      source,
      plan,
      manifest.kind === "container",
      complete,
      options,
    );
    await complete.stop();
    signal?.throwIfAborted();
    const misnamed = new Set([...byDiffId].filter(([, { isMisnamed }]) => isMisnamed).map(([diffId]) => diffId));
    for (const diffId of misnamed) onProgress?.({ type: "note", text: `layer ${diffId} is not what its diff_id says` });
    const final = await finalizeImage(
      repository,
      {
        kind: manifest.kind,
        subject: manifest.subject?.digest ?? null,
        manifestDigest,
        manifest: source.manifest,
        configDigest,
        config: source.config,
        layers: source.layers.map(({ diffId }) => ({ diffId, id: (byDiffId.get(diffId) as StoredLayer).id })),
        misnamed,
        tree,
      },
      options,
    );
    const missing = plan.filter(({ present }) => present === null).length;
    const stats = sumStats([...byDiffId.values()], source.layers.length, missing);
    const changed = final.changed || complete.changed;
    return { kind: manifest.kind, manifestDigest, configDigest, ...final, tag, referrers: [], changed, stats };
  } catch (error) {
    await complete.stop();
    if (isInterruption(error, signal)) await complete.name();
    throw error;
  }
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
  const distinct = new Map<OciDigest, Map<OciDigest | undefined, SourceLayer>>();
  for (const source of layers) {
    const ofDiffId = distinct.get(source.diffId) ?? new Map<OciDigest | undefined, SourceLayer>();
    if (!ofDiffId.has(source.blob)) ofDiffId.set(source.blob, source);
    distinct.set(source.diffId, ofDiffId);
  }
  // Several at a time: the native threads look for the objects of one while the stream of another is read here.
  const limit = pLimit(availableParallelism());
  return limit.map(distinct, async ([diffId, ofDiffId]): Promise<PlannedImport> => {
    const [source, ...others] = ofDiffId.values() as Iterable<SourceLayer> as [SourceLayer];
    const found = await findLayer(repository, diffId, kind === "container" ? "tar" : "any");
    const present =
      found === null ? null : { id: found.id, stats: { ...emptyStats(), objectsAlreadyPresent: found.objects } };
    return { diffId, source, others, present };
  });
}

/**
 * Stores the layers that are missing, several at a time. The tree of the layers is made meanwhile, unless none is missing:
 * then its image is most likely there, too.
 *
 * @param complete gets each layer that is
 */
async function storeLayers(
  repository: Repository,
  source: ImageSource,
  plan: readonly PlannedImport[],
  withTree: boolean,
  complete: CompleteLayers,
  options: ImportImageOptions,
): Promise<StoredLayers> {
  const { onProgress, compatWhiteouts } = options;
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const storing = new Map<OciDigest, Promise<StoredLayer>>();
  for (const { diffId: id, source: layer, present } of plan) {
    if (present === null) continue;
    onProgress?.({ type: "skip", id, bytes: layer.bytes });
    storing.set(id, Promise.resolve(present));
  }
  const missing = plan.filter(({ present }) => present === null);
  const growing = withTree && missing.length > 0 ? await loadTree() : null;
  const feeds = new Map<OciDigest, LayerFeed>();
  // The last to finish should be a small one.
  if (!source.inOrder) missing.sort((a, b) => (b.source.bytes ?? 0) - (a.source.bytes ?? 0));
  const limit = pLimit(availableParallelism());
  for (const layer of missing) {
    const { diffId } = layer;
    const feed = growing?.feed(diffId);
    if (feed !== undefined) feeds.set(diffId, feed);
    const stored = limit(async () => {
      const layerStored = await storeLayer(layer, signal, onProgress, feed);
      complete.add(diffId, layerStored);
      return layerStored;
    });
    storing.set(
      diffId,
      stored.catch((error: unknown) => {
        feed?.fail(error);
        failed.abort(error);
        throw error;
      }),
    );
  }
  const treeLayer = ({ diffId }: SourceLayer): TreeLayer => {
    const feed = feeds.get(diffId);
    feeds.delete(diffId); // it can be read only once
    return { diffId, id: (storing.get(diffId) as Promise<StoredLayer>).then(({ id }) => id), feed };
  };
  const layers = growing === null ? [] : source.layers.map(treeLayer);
  const tree = growing?.layersTree(repository, layers, { compatWhiteouts, signal });
  const all = Promise.allSettled([...storing.values(), ...layers.map(({ id }) => id), tree]);
  await Promise.allSettled(storing.values());
  // One thread makes the image; the kernel can write what was stored meanwhile.
  if (growing !== null && !signal.aborted) repository.objects.beginSync();
  await all;
  // The first error aborted the others, whose own errors only echo it. That of the tree is for the one who needs it.
  signal.throwIfAborted();
  const byDiffId = new Map<OciDigest, StoredLayer>();
  for (const [diffId, stored] of storing) byDiffId.set(diffId, await stored);
  return { byDiffId, tree };
}

/** Whether nothing is wrong with the image: somebody ended the pull, or the source went away. */
function isInterruption(error: unknown, signal: AbortSignal | undefined): boolean {
  return (signal?.aborted ?? false) || (error instanceof OciError && error.code === "TRANSPORT");
}

/** What makes a tree while layers are stored; not loaded when none is. */
async function loadTree() {
  const [{ layersTree }, { LayerFeed }] = await Promise.all([
    import("../tree/layers-tree.ts"),
    import("../tree/layer-feed.ts"),
  ]);
  return { layersTree, feed: (diffId: OciDigest) => new LayerFeed(diffId) };
}

async function storeLayer(
  { diffId: id, source, others }: PlannedImport,
  signal: AbortSignal,
  onProgress: ProgressListener | undefined,
  feed: LayerFeed | undefined,
): Promise<StoredLayer> {
  signal.throwIfAborted();
  const { bytes } = source;
  let size = 0;
  onProgress?.({ type: "start", id, bytes });
  const stored = await source.store({
    signal,
    onBytes: (done) => {
      size = done;
      onProgress?.({ type: "progress", id, done, total: bytes, unit: "bytes" });
    },
    listener: feed,
  });
  feed?.end();
  for (const other of others) checkSame(id, stored, await other.store({ signal, onBytes: () => undefined }));
  onProgress?.({ type: "done", id, bytes: size, stats: stored.stats });
  return stored;
}

/** Two blobs of one diff_id; each was checked against it, unless nobody wanted that. */
function checkSame(diffId: OciDigest, one: StoredLayer, other: StoredLayer): void {
  if (one.id === other.id) return;
  throw new OciError("DIFF_ID_MISMATCH", `layer ${diffId}: two blobs have this diff_id, but other contents`, {
    details: { layer: diffId },
    hint: "the image was made wrong; build it again",
  });
}

function sumStats(stored: readonly StoredLayer[], layers: number, missing: number): ImportStats {
  const total = emptyStats();
  for (const { stats } of stored) addStats(total, stats);
  return { ...total, layers, layersAlreadyPresent: layers - missing };
}
