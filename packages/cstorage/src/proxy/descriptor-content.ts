import { fstatSync, read } from "node:fs";
import { promisify } from "node:util";
import type { StoreOutcome, StoreStep } from "@composefs/reflink";
import { type BatchContent, sourceOf } from "../batch-content.ts";
import { fileFailure } from "../file-failure.ts";
import type { LayerFile } from "../layer-batch.ts";
import { closeAll } from "./layer-stream.ts";

const readAsync = promisify(read);

/**
 * The content of a batch whose files the helper opened. That the descriptors are regular files of the right size is
 * checked here: the helper's word does not count.
 *
 * @param fds one for each of `files`; closed by `release`
 * @param released called once, when all are closed
 */
export function descriptorContent(
  layer: { readonly id: string },
  files: readonly LayerFile[],
  fds: readonly number[],
  released: () => void,
): BatchContent {
  const left: (number | null)[] = [...fds];
  let open = true;
  const at = (index: number): number => {
    const fd = open ? left[index] : undefined;
    if (typeof fd !== "number") throw new TypeError("the file of a batch was given away or released");
    return fd;
  };
  const release = (): void => {
    if (!open) return;
    open = false;
    closeAll(left.filter((fd) => fd !== null));
    released();
  };
  return {
    store: async (store, request, options = {}) => {
      try {
        const sources = files.map((file) => sourceOf(file, request(file)));
        return await store.storeOpenFiles(
          sources.map((_, i) => at(i)),
          sources,
          options,
        );
      } finally {
        release();
      }
    },
    read: async (first, end, limit) => {
      const outcomes: StoreOutcome[] = [];
      for (let i = first; i < end; i++) outcomes.push(await readWhole(at(i), files[i] as LayerFile, limit));
      return outcomes;
    },
    open: async (index) => {
      const fd = at(index);
      const file = files[index] as LayerFile;
      const problem = check(fd, file);
      if (problem === null) {
        left[index] = null;
        return fd;
      }
      throw fileFailure(layer, file, problem.failure) ?? new Error(`reading failed at step ${problem.failure.step}`);
    },
    readable: async () => true,
    release,
  };
}

function check(fd: number, file: LayerFile): ReturnType<typeof failed> | null {
  const stat = fstatSync(fd);
  if (!stat.isFile()) return failed("not-regular");
  return stat.size === file.size ? null : failed("size", stat.size);
}

async function readWhole(fd: number, file: LayerFile, limit: number): Promise<StoreOutcome> {
  const problem = check(fd, file) ?? (file.size > limit ? failed("size", file.size) : null);
  if (problem !== null) return problem;
  // One byte more, to see a file that has grown since.
  const bytes = Buffer.allocUnsafeSlow(file.size + 1);
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await readAsync(fd, bytes, filled, bytes.length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === file.size ? { inline: bytes.subarray(0, filled) } : failed("size", filled);
}

function failed(step: StoreStep, actualSize = 0) {
  return { failure: { step, error: null, actualSize } } as const;
}
