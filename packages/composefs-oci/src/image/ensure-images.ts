import type { Directory, ErofsVersion, ObjectId, Repository } from "@composefs/core";
import type { ProgressListener } from "../progress.ts";
import type { WhiteoutOptions } from "../tree/apply-layer.ts";
import type { LayerRef } from "../tree/layers-tree.ts";
import { linkedImages, wantedFormats } from "./image-refs.ts";

/** Settings of {@link ensureImages}. */
export interface ImageOptions extends WhiteoutOptions {
  /** Make this format only; default those of the repository. */
  readonly erofsVersion?: ErofsVersion | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** EROFS images of one OCI image. */
export interface EnsuredImages {
  /** Those that were wanted; the repository's default first. */
  readonly wanted: ReadonlyMap<ErofsVersion, ObjectId>;
  /** These and others that the config's stream named before. */
  readonly all: ReadonlyMap<ErofsVersion, ObjectId>;
}

/**
 * Stores the EROFS images of a container image that are not there yet, without giving them a name. The tree is only
 * built when one is missing, or with `compatWhiteouts`, since an image does not tell how its whiteouts were read.
 *
 * @param configRefs what the config's stream names so far
 * @param tree the layers' tree, where it is being made already
 * @throws as {@link layersTree}; ComposefsError `IMAGE_UNREPRESENTABLE`; KernelError
 */
export async function ensureImages(
  repository: Repository,
  layers: readonly LayerRef[],
  configRefs: ReadonlyMap<string, ObjectId>,
  options: ImageOptions = {},
  tree?: Promise<Directory>,
): Promise<EnsuredImages> {
  const formats = wantedFormats(repository.erofs, options.erofsVersion);
  const all = await linkedImages(repository, configRefs);
  const missing = options.compatWhiteouts ? formats : formats.filter((version) => !all.has(version));
  if (missing.length > 0) {
    options.onProgress?.({ type: "stage", stage: "erofs" });
    const [{ planImage }, { layersTree }] = await Promise.all([
      import("@composefs/core/import"),
      import("../tree/layers-tree.ts"),
    ]);
    const root = await (tree ?? layersTree(repository, layers, options));
    for (const version of missing) {
      options.signal?.throwIfAborted();
      const image = planImage(root, { version, hash: repository.hash });
      all.set(version, await repository.objects.putPieces(image.pieces, `EROFS image of format ${version}`));
    }
  }
  return { wanted: new Map(formats.map((version) => [version, all.get(version) as ObjectId])), all };
}
