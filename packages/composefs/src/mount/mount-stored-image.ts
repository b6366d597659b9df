import { closeSync } from "node:fs";
import type { Repository } from "../repository/repository.ts";
import type { DetachedMount } from "./detached-mount.ts";
import { type MountImageOptions, mountImage } from "./mount-image.ts";
import { verifyImage } from "./verify-image.ts";

/** How to mount an image of a repository. */
export type MountOptions = Pick<MountImageOptions, "upper" | "readWrite" | "idMap">;

/**
 * Mounts an image of a repository, attached nowhere. Whatever name it is called by, it is checked against its id, and the
 * kernel told to require fs-verity of the objects exactly if the repository does (cli.md D1): by the kernel's measurement
 * where it does, by its content otherwise.
 *
 * @throws ComposefsError as `Repository.resolveImage`; `VERITY_REQUIRED`, `VERITY_MISMATCH`, `OBJECT_NOT_FOUND`,
 *   `OBJECT_CORRUPT` the image is not as its id says; `MOUNT_FAILED`
 * @see repository.md §7
 */
export async function mountStoredImage(
  repository: Repository,
  name: string,
  options: MountOptions = {},
): Promise<DetachedMount> {
  const { hash, verity, objects } = repository;
  const id = repository.resolveImage(name);
  const imageFd = objects.open(id);
  try {
    if (verity) verifyImage({ imageFd, id, hash, name });
    else await objects.read(id);
    return await mountImage({ ...options, image: imageFd, objects: [objects.directory()], name, verity });
  } finally {
    closeSync(imageFd);
  }
}
