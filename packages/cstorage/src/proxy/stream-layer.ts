import { closeSync } from "node:fs";
import { openFiles } from "@composefs/reflink";
import { CstorageError } from "../errors.ts";
import { fileFailure } from "../file-failure.ts";
import type { LayerFile } from "../layer-batch.ts";
import type { Storage } from "../storage.ts";
import { openStoreLayer } from "../store-layer.ts";
import type { LockOptions } from "../store-lock.ts";
import { layerNotFound } from "../store-set.ts";
import { encodeRun } from "./layer-payload.ts";
import { STREAM } from "./methods.ts";
import type { RpcFields } from "./rpc-message.ts";
import type { SendWindow } from "./send-window.ts";

/** Sends one notification; settles when its descriptors may be closed. */
type Notify = (
  method: string,
  params: RpcFields,
  more?: { readonly payload: Uint8Array; readonly fds: readonly number[] },
) => Promise<void>;

/**
 * Sends a layer of the store: runs of its tar with the files opened, each run when the window allows.
 *
 * @returns how many runs were sent
 * @throws CstorageError as {@link StoreLayer.open}, {@link LayerContent.batches} and {@link fileFailure} say; KernelError
 */
export async function streamLayer(
  storage: Storage,
  wanted: { readonly id: string; readonly diffId: string; readonly maxFiles: number },
  options: LockOptions,
  window: SendWindow,
  notify: Notify,
): Promise<RpcFields> {
  const content = await (await findLayer(storage, wanted, options)).open(options);
  let sent = 0;
  try {
    await notify(STREAM.start, {});
    for await (const run of content.runs({ signal: options.signal, maxFiles: wanted.maxFiles })) {
      await window.take();
      const fds = await openRun(content, run.files);
      try {
        await notify(STREAM.run, { number: sent }, { payload: encodeRun(run), fds });
      } finally {
        for (const fd of fds) closeSync(fd);
      }
      sent += 1;
    }
  } finally {
    await content.close();
  }
  return { runs: sent };
}

async function findLayer(storage: Storage, { id, diffId }: { id: string; diffId: string }, options: LockOptions) {
  const placed = (await storage.placeLayers(options)).get(id);
  if (placed === undefined) throw layerNotFound(id, storage.roots);
  const { diffDigest, expectedDiffId } = placed.record;
  if (diffDigest === diffId || expectedDiffId === diffId) return openStoreLayer(storage, placed, diffId);
  const actual = diffDigest ?? expectedDiffId;
  throw new CstorageError("DIFF_ID_MISMATCH", `layer ${id}: expected ${diffId}, found ${actual}`, {
    details: { layer: id, expected: diffId, actual },
  });
}

async function openRun(
  content: { readonly id: string; readonly dirs: readonly number[] },
  files: readonly LayerFile[],
): Promise<readonly number[]> {
  if (files.length === 0) return [];
  const opened = await openFiles(content.dirs, files);
  if ("fds" in opened) return opened.fds;
  const { failed, failure } = opened;
  const file = files[failed] as LayerFile;
  throw fileFailure(content, file, failure) ?? failure.error ?? new Error(`opening failed at step ${failure.step}`);
}
