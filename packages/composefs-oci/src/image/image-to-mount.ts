import type { ErofsVersion, ObjectId, Repository } from "@composefs/core";
import { OciError } from "../errors.ts";
import { openImage } from "./image.ts";
import { imageFormat, imageKey } from "./image-refs.ts";

/** Which of an image's EROFS images to take. */
export interface ImageToMountOptions {
  /** The one made for booting; default false. */
  readonly bootable?: boolean | undefined;
  /** Only this format; default the repository's, else any. */
  readonly erofsVersion?: ErofsVersion | undefined;
}

/**
 * The EROFS image of an OCI image that is to be mounted.
 *
 * @param reference anything `resolveImage` takes
 * @throws as {@link openImage}; OciError `IMAGE_NOT_FOUND` the image has no such EROFS image; `MANIFEST_UNSUPPORTED` an artifact
 */
export async function imageToMount(
  repository: Repository,
  reference: string,
  options: ImageToMountOptions = {},
): Promise<ObjectId> {
  const { bootable = false, erofsVersion } = options;
  const { config, configRefs, manifestDigest } = await openImage(repository, reference);
  if (config === null) {
    throw new OciError("MANIFEST_UNSUPPORTED", `image ${manifestDigest} is an artifact, which has no file tree`, {
      details: { manifestDigest },
    });
  }
  const versions = erofsVersion === undefined ? new Set([repository.erofs.default, 2, 1] as const) : [erofsVersion];
  const modes = bootable ? (["allowlist-only", "keep-user-xattrs"] as const) : [undefined];
  for (const key of modes.flatMap((mode) => [...versions].map((version) => imageKey(version, mode)))) {
    const id = configRefs.get(key);
    if (id === undefined) continue;
    if (erofsVersion === undefined || imageFormat(await repository.objects.read(id)) === erofsVersion) return id;
  }
  const format = erofsVersion === undefined ? "" : ` of format ${erofsVersion}`;
  const what = `no ${bootable ? "boot" : "composefs"} EROFS image${format} linked`;
  throw new OciError("IMAGE_NOT_FOUND", `image '${reference}' (${manifestDigest}): ${what}`, {
    details: { reference, manifestDigest, bootable, erofsVersion: erofsVersion ?? null },
    hint: bootable ? "make one by pulling with --bootable" : "pull the image again",
  });
}
