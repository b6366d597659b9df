import type { Directory, Repository } from "@composefs/core";
import { OciError } from "../errors.ts";
import type { OciImage } from "../image/image.ts";
import { contentId } from "../streams.ts";
import { bootTree } from "./boot-tree.ts";
import { type LayerRef, type LayersTreeOptions, layersTree } from "./layers-tree.ts";

/** Settings of {@link imageTree}. */
export interface ImageTreeOptions extends LayersTreeOptions {
  /** As for an image that is booted: `/boot` and `/sysroot` empty, SELinux labels by the tree's policy; default false. */
  readonly bootable?: boolean | undefined;
}

/**
 * The file tree of a container image: its layers one on the other, then the final transformation, ready to be written as
 * an EROFS image.
 *
 * @throws OciError `MANIFEST_UNSUPPORTED` an artifact; `MANIFEST_INVALID` a layer the config's stream does not name;
 *   errors as {@link layersTree} and, with `bootable`, {@link bootTree}
 * @see oci.md §4
 */
export async function imageTree(
  repository: Repository,
  image: OciImage,
  options: ImageTreeOptions = {},
): Promise<Directory> {
  const layers = imageLayers(image);
  return options.bootable
    ? (await bootTree(repository, layers, options)).root
    : await layersTree(repository, layers, options);
}

/**
 * The layers of a container image in the order of its config's diff_ids.
 *
 * @throws OciError `MANIFEST_UNSUPPORTED` an artifact; `MANIFEST_INVALID` a layer the config's stream does not name
 */
export function imageLayers(image: OciImage): LayerRef[] {
  const { config, configRefs, configDigest, manifestDigest } = image;
  if (config === null) {
    throw new OciError("MANIFEST_UNSUPPORTED", `image ${manifestDigest} is an artifact, which has no file tree`, {
      details: { manifestDigest },
    });
  }
  return config.diffIds.map((diffId) => {
    const id = configRefs.get(diffId);
    if (id !== undefined) return { diffId, id };
    throw new OciError("MANIFEST_INVALID", `${contentId("config", configDigest)} has no reference to layer ${diffId}`, {
      details: { configDigest, layer: diffId },
      hint: "pull the image again",
    });
  });
}
