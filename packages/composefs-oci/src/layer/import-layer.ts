import type { ObjectId, Repository } from "@composefs/core";
import { TarParser } from "@composefs/tar-header";
import type { OciDigest } from "../digest.ts";
import { emptyStats, type ImportStats } from "../import-stats.ts";
import { finishDigest, startDigest } from "../long-digest.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";
import { findLayer } from "./find-layer.ts";
import { inLayer } from "./layer-errors.ts";
import type { LayerListener } from "./layer-listener.ts";
import type { StoredLayer } from "./store-layer.ts";
import { TarSplitter } from "./tar-splitter.ts";
import { checkDiffId } from "./verify-stored-layer.ts";

/** Settings of {@link storeTarLayer}. */
export interface TarLayerOptions {
  /** Refuse a tar that does not have the diff_id; default true. */
  readonly verify?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told how many bytes of the tar are done. */
  readonly onBytes?: ((done: number) => void) | undefined;
  /** Told of each chunk of the tar that is not needed any more, so that its memory may be used again. */
  readonly release?: ((chunk: Uint8Array) => void) | undefined;
  readonly listener?: LayerListener | undefined;
}

/** Settings of {@link importLayer}. */
export interface ImportLayerOptions extends TarLayerOptions {
  /** A ref beneath `streams/refs/` to give to the layer. */
  readonly name?: string | undefined;
}

/** What {@link importLayer} did. */
export interface ImportedLayer {
  /** The layer's splitstream. */
  readonly id: ObjectId;
  readonly stats: ImportStats;
  /** Whether any name in the repository changed. */
  readonly changed: boolean;
}

/**
 * Imports an uncompressed tar as the layer `diffId`. A layer that is there already is kept, and the tar only checked.
 *
 * @param tar its bytes in chunks of any size, which must not change once handed over
 * @throws OciError `DIFF_ID_MISMATCH`, or a code of the tar with layer, offset and path (`TAR_MALFORMED`, `TAR_LIMIT`, …);
 *   ComposefsError `REPO_READ_ONLY`, `REF_INVALID`; KernelError. Nothing is named then.
 */
export async function importLayer(
  repository: Repository,
  diffId: OciDigest,
  tar: AsyncIterable<Uint8Array>,
  options: ImportLayerOptions = {},
): Promise<ImportedLayer> {
  repository.ensureWritable();
  // Refuses a bad name before the tar is read.
  if (options.name !== undefined) repository.readRef("streams", options.name);
  const present = await findLayer(repository, diffId, "tar");
  const layer =
    present === null
      ? await storeTarLayer(repository, diffId, tar, options)
      : await checkTar(diffId, tar, options, {
          id: present.id,
          stats: { ...emptyStats(), layersAlreadyPresent: 1, objectsAlreadyPresent: present.objects },
        });
  const name = contentId("layer", diffId);
  const changed = await repository.publish({
    streams: [{ contentId: name, id: layer.id }],
    refs: options.name === undefined ? [] : [{ name: options.name, contentId: name }],
  });
  return { id: layer.id, stats: { ...layer.stats, layers: 1 }, changed };
}

/**
 * Stores a tar's files and its splitstream, which gets no name yet.
 *
 * @throws as {@link importLayer}
 * @see oci.md §2.2
 */
export async function storeTarLayer(
  repository: Repository,
  diffId: OciDigest,
  tar: AsyncIterable<Uint8Array>,
  options: TarLayerOptions = {},
): Promise<StoredLayer> {
  const { signal, verify = true, onBytes, release, listener } = options;
  const digester = startDigest(diffId);
  const stream = repository.createStream(CONTENT_TYPE.layer);
  const parser = new TarParser();
  const splitter = new TarSplitter(repository, stream, diffId, listener);
  let stats: ImportStats;
  try {
    for await (const chunk of tar) {
      signal?.throwIfAborted();
      const hashed = digester.update(chunk);
      for (const event of parser.push(chunk)) {
        const wait = splitter.take(event);
        if (wait !== null) await wait;
      }
      await splitter.pushed(async () => {
        await hashed;
        release?.(chunk);
      });
      onBytes?.(parser.offset);
    }
    parser.finish();
    stats = await splitter.finish();
  } catch (error) {
    throw inLayer(error, diffId);
  } finally {
    await splitter.close();
  }
  const actual = await finishDigest(digester, diffId);
  if (verify) checkDiffId(diffId, actual);
  const id = await repository.objects.put(stream.finish(), `splitstream of layer ${diffId}`);
  return { id, stats, isMisnamed: actual !== diffId };
}

async function checkTar(
  diffId: OciDigest,
  tar: AsyncIterable<Uint8Array>,
  options: TarLayerOptions,
  present: StoredLayer,
): Promise<StoredLayer> {
  const digester = (options.verify ?? true) ? startDigest(diffId) : null;
  for await (const chunk of tar) {
    options.signal?.throwIfAborted();
    await digester?.update(chunk);
  }
  if (digester !== null) checkDiffId(diffId, await finishDigest(digester, diffId));
  return present;
}
