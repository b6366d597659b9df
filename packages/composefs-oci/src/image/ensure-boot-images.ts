import {
  buildImage,
  type Directory,
  type ErofsVersion,
  imageId,
  type ObjectId,
  planImage,
  type Repository,
  type XattrMode,
} from "@composefs/core";
import { OciError } from "../errors.ts";
import { bootTree } from "../tree/boot-tree.ts";
import type { LayerRef } from "../tree/layers-tree.ts";
import type { ImageOptions } from "./ensure-images.ts";
import { imageFormat, imageKey, imageRefs, linkedImages, soundHead, wantedFormats } from "./image-refs.ts";

/** Images to boot of one OCI image. */
export interface EnsuredBootImages {
  /** Those that were wanted; the repository's default first. */
  readonly wanted: ReadonlyMap<ErofsVersion, ObjectId>;
  /** Xattrs that they kept. */
  readonly xattrs: XattrMode;
  /** What the config's stream is to name them by. */
  readonly refs: readonly (readonly [key: string, id: ObjectId])[];
}

/** Xattrs and formats in which an expected image is looked for, in this order. */
const MODES: readonly XattrMode[] = ["allowlist-only", "keep-user-xattrs"];
const VERSIONS: readonly ErofsVersion[] = [1, 2];

/**
 * Stores the images to boot of a container image that are not there yet, without giving them a name, as `ensureImages`
 * does with the others.
 *
 * @param configRefs what the config's stream names so far
 * @throws as `bootTree`; ComposefsError `IMAGE_UNREPRESENTABLE`; KernelError
 * @see oci.md §6.2
 */
export async function ensureBootImages(
  repository: Repository,
  layers: readonly LayerRef[],
  configRefs: ReadonlyMap<string, ObjectId>,
  options: ImageOptions = {},
): Promise<EnsuredBootImages> {
  const xattrs = "allowlist-only";
  const formats = wantedFormats(repository.erofs, options.erofsVersion);
  const all = await linkedImages(repository, configRefs, xattrs);
  const missing = options.compatWhiteouts ? formats : formats.filter((version) => !all.has(version));
  if (missing.length > 0) {
    options.onProgress?.({ type: "stage", stage: "erofs" });
    const { root } = await bootTree(repository, layers, { ...options, xattrs });
    for (const version of missing) {
      options.signal?.throwIfAborted();
      all.set(version, await storeImage(repository, root, version));
    }
  }
  const wanted = new Map(formats.map((version) => [version, all.get(version) as ObjectId]));
  return { wanted, xattrs, refs: imageRefs(all, repository.erofs, xattrs) };
}

/**
 * Finds the one image to boot that has a given id: among those the config's stream names, else by building it with
 * either choice of xattrs, in formats 1 and 2, and also as composefs-rs 0.9.0 would, which left `/boot` and `/sysroot`
 * the nanoseconds of their own times.
 *
 * @throws as {@link ensureBootImages}; OciError `BOOT_IMAGE_MISMATCH` none has this id; nothing has been stored then
 * @see oci.md §6.2
 */
export async function expectBootImage(
  repository: Repository,
  layers: readonly LayerRef[],
  configRefs: ReadonlyMap<string, ObjectId>,
  expected: ObjectId,
  options: ImageOptions = {},
): Promise<EnsuredBootImages> {
  const result = (version: ErofsVersion, xattrs: XattrMode): EnsuredBootImages => ({
    wanted: new Map([[version, expected]]),
    xattrs,
    refs: [[imageKey(version, xattrs), expected]],
  });
  for (const xattrs of MODES) {
    for (const version of VERSIONS) {
      if (configRefs.get(imageKey(version, xattrs)) !== expected) continue;
      const head = await soundHead(repository, expected);
      const format = head === null ? null : imageFormat(head);
      if (format !== null) return result(format, xattrs);
    }
  }
  options.onProgress?.({ type: "stage", stage: "erofs" });
  const tried: ObjectId[] = [];
  for (const xattrs of MODES) {
    const { root, restoreNanoseconds } = await bootTree(repository, layers, { ...options, xattrs });
    do {
      for (const version of VERSIONS) {
        options.signal?.throwIfAborted();
        const id = imageId(buildImage(root, { version, hash: repository.hash }), repository.hash);
        tried.push(id);
        if (id !== expected) continue;
        await storeImage(repository, root, version);
        return result(version, xattrs);
      }
    } while (restoreNanoseconds());
  }
  throw new OciError("BOOT_IMAGE_MISMATCH", `no image to boot of this image has the id ${expected}`, {
    details: { expected, tried },
    hint: "the image is not the one that was expected; nothing of it has been named",
  });
}

function storeImage(repository: Repository, root: Directory, version: ErofsVersion): Promise<ObjectId> {
  const image = planImage(root, { version, hash: repository.hash });
  return repository.objects.putPieces(image.pieces, `EROFS image to boot of format ${version}`);
}
