import {
  createDirectory,
  type Directory,
  type ObjectId,
  prepareTree,
  type Repository,
  type XattrMode,
} from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";
import { applyLayer, type WhiteoutOptions } from "./apply-layer.ts";

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

/**
 * The file tree of layers in the order of the config's diff_ids; a repeated one counts as often as it is there. As `imageTree` otherwise.
 *
 * @param layers one that is a promise is waited for when those below it are applied
 * @throws OciError `LAYER_UNSUPPORTED` a layer that is no tar, or an entry that does not fit the tree;
 *   ComposefsError `TREE_INVALID` no `/usr`, `STREAM_CORRUPT`, `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`; rejects with `signal.reason`
 */
export async function layersTree(
  repository: Repository,
  layers: readonly (LayerRef | Promise<LayerRef>)[],
  options: LayersTreeOptions = {},
): Promise<Directory> {
  const root = createDirectory();
  for (const layer of layers) {
    const { diffId, id } = await layer;
    options.signal?.throwIfAborted();
    const stream = await repository.openStreamObject(id, contentId("layer", diffId));
    if (stream.type !== CONTENT_TYPE.layer) {
      throw new OciError("LAYER_UNSUPPORTED", `layer ${diffId} is no tar: its content type is '${stream.type}'`, {
        details: { layer: diffId, type: stream.type },
        hint: "only layers of a tar media type make a file tree",
      });
    }
    applyLayer(root, { diffId, stream }, options);
  }
  prepareTree(root, { xattrs: options.xattrs ?? "allowlist-only" });
  return root;
}
