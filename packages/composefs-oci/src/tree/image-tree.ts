import {
  createDirectory,
  type Directory,
  labelBootTree,
  type ObjectId,
  prepareBootTree,
  prepareTree,
  type Repository,
  type XattrMode,
} from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { OciImage } from "../image/image.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";
import { applyLayer, type WhiteoutOptions } from "./apply-layer.ts";

/** Settings of {@link imageTree}. */
export interface ImageTreeOptions extends WhiteoutOptions {
  /** Which extended attributes stay; default `allowlist-only`. */
  readonly xattrs?: XattrMode | undefined;
  /** As for an image that is booted: `/boot` and `/sysroot` empty, SELinux labels by the tree's policy; default false. */
  readonly bootable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A stored layer of an image. */
export interface LayerRef {
  readonly diffId: OciDigest;
  /** Its splitstream. */
  readonly id: ObjectId;
}

/**
 * The file tree of a container image: its layers one on the other, then the final transformation, ready to be written as
 * an EROFS image.
 *
 * @throws OciError `MANIFEST_UNSUPPORTED` an artifact; `MANIFEST_INVALID` a layer the config's stream does not name;
 *   errors as {@link layersTree}
 * @see oci.md §4
 */
export async function imageTree(
  repository: Repository,
  image: OciImage,
  options: ImageTreeOptions = {},
): Promise<Directory> {
  const { config, configRefs, configDigest, manifestDigest } = image;
  if (config === null) {
    throw new OciError("MANIFEST_UNSUPPORTED", `image ${manifestDigest} is an artifact, which has no file tree`, {
      details: { manifestDigest },
    });
  }
  const layers = config.diffIds.map((diffId) => {
    const id = configRefs.get(diffId);
    if (id !== undefined) return { diffId, id };
    throw new OciError("MANIFEST_INVALID", `${contentId("config", configDigest)} has no reference to layer ${diffId}`, {
      details: { configDigest, layer: diffId },
      hint: "pull the image again",
    });
  });
  return layersTree(repository, layers, options);
}

/**
 * As {@link imageTree}, of layers in the order of the config's diff_ids; a repeated one counts as often as it is there.
 *
 * @throws OciError `LAYER_UNSUPPORTED` a layer that is no tar, or an entry that does not fit the tree;
 *   ComposefsError `TREE_INVALID` no `/usr`, or with `bootable` no `/boot` or `/sysroot`, `SELINUX_POLICY_INVALID` and
 *   `SELINUX_UNSUPPORTED` with `bootable`, `STREAM_CORRUPT`, `OBJECT_NOT_FOUND`, `OBJECT_CORRUPT`; rejects with `signal.reason`
 */
export async function layersTree(
  repository: Repository,
  layers: readonly LayerRef[],
  options: ImageTreeOptions = {},
): Promise<Directory> {
  const root = createDirectory();
  for (const { diffId, id } of layers) {
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
  if (options.bootable) {
    prepareBootTree(root);
    await labelBootTree(root, (id) => repository.objects.read(id));
  }
  return root;
}
