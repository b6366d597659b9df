import { closeSync, constants, openSync } from "node:fs";
import { O_PATH } from "@composefs/reflink";
import { DetachedMount } from "./detached-mount.ts";
import { type ErofsWay, mountErofs } from "./mount-erofs.ts";
import { mountError } from "./mount-error.ts";
import { type LayerWay, mountOverlay } from "./mount-overlay.ts";

/** What to mount and how. Descriptors stay the caller's and may be closed once the mount is made. */
export interface MountImageOptions {
  /** The EROFS image: open for reading, or its path. */
  readonly image: number | string;
  /** Open object directories (`O_PATH` will do), searched in order; at least one. */
  readonly objects: readonly number[];
  /** Name of the image, shown as `composefs:NAME` in mount tables. */
  readonly name: string;
  /**
   * Whether the kernel refuses objects without the fs-verity digest that the image records: exactly if the repository
   * requires fs-verity. The image itself is checked by {@link verifyImage}.
   */
  readonly verity: boolean;
  /** Directories for changes, both on one file system that overlayfs can write to. */
  readonly upper?: { readonly upperDir: string; readonly workDir: string } | undefined;
  /** Let changes through to the upper directory; default false. */
  readonly readWrite?: boolean | undefined;
  /** A user namespace (open `/proc/PID/ns/user`) to map owners through. */
  readonly idMap?: number | undefined;
  /** Only this way to the image, without fallback. */
  readonly imageWay?: ErofsWay | undefined;
  /** Only this way to the layers, without fallback. */
  readonly layerWay?: LayerWay | undefined;
}

/**
 * Mounts an image over its objects (repository.md §7), attached nowhere: the caller attaches it when all is well. Needs
 * CAP_SYS_ADMIN, and Linux 6.5 (6.6 with `verity`).
 *
 * @throws ComposefsError `MOUNT_FAILED` with the kernel's own messages and a hint
 */
export async function mountImage(options: MountImageOptions): Promise<DetachedMount> {
  const { image, objects, name, verity, upper, readWrite = false } = options;
  const source = `composefs:${name}`;
  const opened: number[] = [];
  const open = (path: string, flags: number): number => {
    try {
      const fd = openSync(path, flags);
      opened.push(fd);
      return fd;
    } catch (error) {
      throw mountError(source, `opening ${path}`, error);
    }
  };
  try {
    const directory = O_PATH | constants.O_DIRECTORY;
    const imageFd = typeof image === "number" ? image : open(image, constants.O_RDONLY);
    const upperFds = upper && { upperFd: open(upper.upperDir, directory), workFd: open(upper.workDir, directory) };
    const erofs = { imageFd, name: source, way: options.imageWay, idMapFd: options.idMap };
    const erofsFd = await mountErofs(erofs);
    opened.push(erofsFd);
    const way = options.layerWay;
    const layers = { erofsFd, objectsFds: objects, name: source, verity, upper: upperFds, readWrite, way };
    const { fd, messages } = await mountOverlay(layers);
    return new DetachedMount(fd, source, messages);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
