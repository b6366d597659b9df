import { closeSync } from "node:fs";
import { applyIdMap, FsContext, KernelError, openLoopDevice } from "@composefs/reflink";
import { mountError } from "./mount-error.ts";

/** How the kernel gets at the image: the file itself (Linux 6.12), or a loop device over it. */
export type ErofsWay = "file" | "loop";

/** What {@link mountErofs} takes. */
export interface ErofsMountOptions {
  /** The image, open for reading. */
  readonly imageFd: number;
  /** What to call it in errors. */
  readonly name: string;
  /** Default: the file, and where the kernel refuses that for want of a block device, a loop device. */
  readonly way?: ErofsWay | undefined;
  /** A user namespace to map owners through. */
  readonly idMapFd?: number | undefined;
}

/**
 * Mounts an EROFS image read-only, attached nowhere.
 *
 * @returns the mount's descriptor, for the caller to close
 * @throws ComposefsError `MOUNT_FAILED`
 */
export async function mountErofs(options: ErofsMountOptions): Promise<number> {
  const { imageFd, name, way, idMapFd } = options;
  const fd = way === "loop" ? await mountLoop(imageFd, name) : await mountFile(imageFd, name, way === undefined);
  if (idMapFd === undefined) return fd;
  try {
    applyIdMap(fd, idMapFd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw mountError(name, "mapping owners", error);
  }
}

async function mountFile(imageFd: number, name: string, mayLoop: boolean): Promise<number> {
  try {
    return await mountSource(imageFd, name);
  } catch (error) {
    // ENOTBLK: the kernel, or the file system of the image, cannot do without a block device.
    const cause = error instanceof Error ? error.cause : undefined;
    if (!mayLoop || !(cause instanceof KernelError) || cause.code !== "ENOTBLK") throw error;
    return mountLoop(imageFd, name);
  }
}

async function mountLoop(imageFd: number, name: string): Promise<number> {
  let device: number;
  try {
    device = await openLoopDevice(imageFd);
  } catch (error) {
    throw mountError(name, "setting up a loop device", error);
  }
  try {
    return await mountSource(device, name);
  } finally {
    closeSync(device); // the mount keeps the device
  }
}

async function mountSource(sourceFd: number, name: string): Promise<number> {
  let context: FsContext | null = null;
  try {
    context = FsContext.open("erofs");
    context.setFlag("ro");
    context.setString("source", `/proc/self/fd/${sourceFd}`);
    await context.create();
    return context.mount();
  } catch (error) {
    throw mountError(name, "mounting the EROFS image", error, context?.messages());
  } finally {
    context?.close();
  }
}
