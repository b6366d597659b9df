import { closeSync, constants, mkdtempSync, openSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FsContext, KernelError, MOUNT_ATTR_RDONLY, moveMount, O_PATH, unmount } from "@composefs/reflink";
import { mountError } from "./mount-error.ts";

/** How overlayfs gets its layers: as descriptors (Linux 6.15), or as paths, for which the image is attached meanwhile. */
export type LayerWay = "descriptors" | "paths";

/** What {@link mountOverlay} takes. Descriptors stay the caller's. */
export interface OverlayMountOptions {
  /** Detached mount of the image. */
  readonly erofsFd: number;
  /** Object directories, searched in order; at least one. `O_PATH` will do. */
  readonly objectsFds: readonly number[];
  readonly name: string;
  /** Let the kernel check every object against the digest in the image. */
  readonly verity: boolean;
  /** Directories for changes, on one file system. */
  readonly upper?: { readonly upperFd: number; readonly workFd: number } | undefined;
  readonly readWrite: boolean;
  /** Default: descriptors, then paths where the kernel refuses those. */
  readonly way?: LayerWay | undefined;
}

/** An overlay that is attached nowhere. */
export interface OverlayMount {
  readonly fd: number;
  /** What the kernel had to say although it worked. */
  readonly messages: readonly string[];
}

/** Puts the objects under an image (repository.md §7). @throws ComposefsError `MOUNT_FAILED` */
export async function mountOverlay(options: OverlayMountOptions): Promise<OverlayMount> {
  if (options.way !== "paths") {
    try {
      return await create(options, setDescriptors(options));
    } catch (error) {
      // Older kernels take no descriptor here (before 6.13: EINVAL, EBADF for one that is O_PATH, as mounts are; 6.12
      // tried) or no detached mount (before 6.15: EINVAL).
      const cause = error instanceof Error ? error.cause : undefined;
      const refused = cause instanceof KernelError && (cause.code === "EINVAL" || cause.code === "EBADF");
      if (options.way === "descriptors" || !refused) throw error;
    }
  }
  return mountByPaths(options);
}

function setDescriptors(options: OverlayMountOptions): (context: FsContext) => void {
  return (context) => {
    const { upper } = options;
    if (upper) {
      context.setFd("upperdir", upper.upperFd);
      context.setFd("workdir", upper.workFd);
    }
    context.setFd("lowerdir+", options.erofsFd);
    for (const fd of options.objectsFds) context.setFd("datadir+", fd);
  };
}

async function mountByPaths(options: OverlayMountOptions): Promise<OverlayMount> {
  const place = mkdtempSync(join(tmpdir(), "composefs-mount-"));
  let attached = false;
  let lowerFd: number | null = null;
  try {
    attach(options.erofsFd, place, options.name);
    attached = true;
    lowerFd = openSync(place, O_PATH | constants.O_DIRECTORY);
    const lower = [lowerFd, ...options.objectsFds].map(self).join("::");
    return await create(options, (context) => {
      if (options.upper) {
        context.setString("upperdir", self(options.upper.upperFd));
        context.setString("workdir", self(options.upper.workFd));
      }
      context.setString("lowerdir", lower);
    });
  } finally {
    if (lowerFd !== null) closeSync(lowerFd);
    if (attached) await unmount(place, { detach: true });
    rmdirSync(place);
  }
}

function attach(fd: number, place: string, name: string): void {
  const placeFd = openSync(place, O_PATH | constants.O_DIRECTORY);
  try {
    moveMount(fd, placeFd, place);
  } catch (error) {
    throw mountError(name, "attaching the EROFS image for a moment", error);
  } finally {
    closeSync(placeFd);
  }
}

async function create(options: OverlayMountOptions, setLayers: (context: FsContext) => void): Promise<OverlayMount> {
  let context: FsContext | null = null;
  try {
    context = FsContext.open("overlay");
    context.setString("source", options.name);
    // Set for this mount, so that the defaults of the module do not matter.
    context.setString("metacopy", "on");
    context.setString("redirect_dir", "on");
    if (options.verity) context.setString("verity", "require");
    setLayers(context);
    await context.create();
    const fd = context.mount(options.readWrite ? 0 : MOUNT_ATTR_RDONLY);
    return { fd, messages: context.messages() };
  } catch (error) {
    throw mountError(options.name, "mounting the overlay", error, context?.messages());
  } finally {
    context?.close();
  }
}

function self(fd: number): string {
  return `/proc/self/fd/${fd}`;
}
