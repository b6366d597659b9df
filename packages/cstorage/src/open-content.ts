import { closeSync, constants, fstatSync } from "node:fs";
import { KernelError, openat2, RESOLVE, readFiles, type StoreFailure } from "@composefs/reflink";
import { fileFailure } from "./file-failure.ts";
import type { LayerFile } from "./layer-batch.ts";

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
const RESOLVE_CONTENT = RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_XDEV;

type Layer = { readonly id: string };

/**
 * Opens a file of a layer beneath the first of `dirs` that has it with content, after checking type and size. Rules:
 * containers-storage.md §3.4 and §9.1.
 *
 * @returns a descriptor that the caller closes
 * @throws CstorageError as {@link fileFailure} words them; KernelError
 */
export async function openContent(layer: Layer, dirs: readonly number[], file: LayerFile): Promise<number> {
  const dir = await findDirectory(layer, dirs, file);
  let fd: number;
  try {
    fd = openat2(dir, file.path, { flags: FLAGS, resolve: RESOLVE_CONTENT });
  } catch (error) {
    if (error instanceof KernelError) fail(layer, file, "open", error);
    throw error;
  }
  const stat = fstatSync(fd);
  if (stat.isFile() && stat.size === file.size) return fd;
  closeSync(fd);
  return stat.isFile() ? fail(layer, file, "size", null, stat.size) : fail(layer, file, "not-regular", null);
}

/**
 * The first directory that has the file with content. Asking the native reader for a file of no bytes makes it refuse by
 * size, after its checks for type and metadata copies but before it reads.
 */
async function findDirectory(layer: Layer, dirs: readonly number[], file: LayerFile): Promise<number> {
  let last: StoreFailure = { step: "open", error: null, actualSize: 0 };
  for (const dir of dirs) {
    const [outcome] = await readFiles([dir], [{ path: file.path, size: 0 }], 0);
    if (outcome === undefined || !("failure" in outcome)) return dir;
    const { failure } = outcome;
    if (failure.step === "size") return dir;
    if (last.step !== "metacopy") last = failure;
    const absent = failure.step === "open" && (failure.error?.code === "ENOENT" || failure.error?.code === "ENOTDIR");
    if (!absent && failure.step !== "metacopy")
      return fail(layer, file, failure.step, failure.error, failure.actualSize);
  }
  return fail(layer, file, last.step, last.error);
}

function fail(
  layer: Layer,
  file: LayerFile,
  step: StoreFailure["step"],
  error: KernelError | null,
  actualSize = 0,
): never {
  throw fileFailure(layer, file, { step, error, actualSize }) ?? error ?? new Error(`reading failed at step ${step}`);
}
