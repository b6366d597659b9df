import type { Directory, ObjectId, Repository, XattrMode } from "@composefs/core";
import { createDirectory, prepareTree } from "@composefs/core/import";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";
import { LayerApplier, type WhiteoutOptions } from "./apply-layer.ts";
import type { LayerEntry } from "./entry-builder.ts";
import { layerEntries } from "./layer-entries.ts";
import type { LayerFeed } from "./layer-feed.ts";

/** Settings of {@link layersTree}. */
export interface LayersTreeOptions extends WhiteoutOptions {
  /** Which extended attributes stay; default `allowlist-only`. */
  readonly xattrs?: XattrMode | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A stored layer of an image. */
export interface LayerRef {
  readonly diffId: OciDigest;
  /** Its splitstream. */
  readonly id: ObjectId;
}

/** A layer for {@link layersTree}, stored or being stored. */
export interface TreeLayer {
  readonly diffId: OciDigest;
  /** Its splitstream; a promise is waited for when the layers below are applied. */
  readonly id: ObjectId | Promise<ObjectId>;
  /** Its entries as it is being stored. When nothing comes this way, the stored stream is read. */
  readonly feed?: LayerFeed | undefined;
}

/**
 * The file tree of layers in the order of the config's diff_ids; a repeated one counts as often as it is there. As
 * `imageTree` otherwise.
 *
 * @throws OciError `LAYER_UNSUPPORTED` a layer that is no tar, or an entry that does not fit the tree;
 *   ComposefsError `TREE_INVALID` no `/usr`, `STREAM_CORRUPT`, `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`; rejects with `signal.reason`
 */
export async function layersTree(
  repository: Repository,
  layers: readonly TreeLayer[],
  options: LayersTreeOptions = {},
): Promise<Directory> {
  const root = createDirectory();
  for (const layer of layers) {
    const applier = new LayerApplier(root, layer.diffId, options);
    for await (const entries of entryRuns(repository, layer, options.signal)) {
      for (const entry of entries) applier.apply(entry);
    }
    applier.finish();
  }
  prepareTree(root, { xattrs: options.xattrs ?? "allowlist-only" });
  return root;
}

async function* entryRuns(
  repository: Repository,
  { diffId, id, feed }: TreeLayer,
  signal: AbortSignal | undefined,
): AsyncGenerator<Iterable<LayerEntry>, void, undefined> {
  if (feed) {
    yield* feed.runs();
    if (!feed.isEmpty) return;
  }
  const stream = await repository.openStreamObject(await id, contentId("layer", diffId));
  signal?.throwIfAborted();
  if (stream.type !== CONTENT_TYPE.layer) {
    throw new OciError("LAYER_UNSUPPORTED", `layer ${diffId} is no tar: its content type is '${stream.type}'`, {
      details: { layer: diffId, type: stream.type },
      hint: "only layers of a tar media type make a file tree",
    });
  }
  yield layerEntries(stream, diffId);
}
