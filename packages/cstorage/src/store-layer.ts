import { closeSync } from "node:fs";
import { CstorageError } from "./errors.ts";
import type { DirectoryLayerContent, LayerContent } from "./layer-content.ts";
import { openLayerDirectories } from "./layer-directories.ts";
import type { LayerRecord } from "./layer-records.ts";
import type { LockOptions } from "./store-lock.ts";
import type { PlacedLayer, StoreSet } from "./store-set.ts";
import { openTarSplit } from "./tar-split-file.ts";

/** A layer of an image. */
export interface StoreLayer {
  /** The store's id of the layer; not its digest. */
  readonly id: string;
  /** Digest of the uncompressed tar. */
  readonly diffId: string;
  /** Size of that tar in bytes; null when the store does not know. */
  readonly uncompressedSize: number | null;
  /** Graph root of the store that has the layer. */
  readonly root: string;
  /**
   * Locks the layer against removal and opens its files. Close what you get as soon as possible: every podman command
   * waits for it.
   *
   * @throws CstorageError `STORAGE_LOCKED`, `LAYER_NOT_FOUND` (removed meanwhile), `TAR_SPLIT_MISSING`,
   *   `UNSUPPORTED_ENTRY` (a composefs layer), `STORE_CORRUPT`, `PERMISSION_DENIED`
   */
  open(options?: LockOptions): Promise<LayerContent>;
}

/** A layer that this process reads itself. */
export interface DirectoryStoreLayer extends StoreLayer {
  open(options?: LockOptions): Promise<DirectoryLayerContent>;
}

/** Makes the {@link StoreLayer} of an index record; `diffId` is what the image's config says. */
export function openStoreLayer(stores: StoreSet, layer: PlacedLayer, diffId: string): DirectoryStoreLayer {
  const { store, record } = layer;
  const open = async (options?: LockOptions): Promise<DirectoryLayerContent> => {
    const { openLayerContent } = await import("./layer-content.ts");
    const { lock, index } = await store.lockLayers(options);
    const fds: number[] = [];
    const release = (): void => {
      for (const fd of fds) closeSync(fd);
      lock.close();
    };
    try {
      checkStillThere(index.records, record, store.root);
      const dirs = openLayerDirectories(stores.stores, store, record.id);
      fds.push(...dirs);
      const tarSplit = openTarSplit(stores.stores, store, record.id);
      fds.push(tarSplit.fd);
      return openLayerContent({
        id: record.id,
        diffId,
        uncompressedSize: record.diffSize,
        dirs,
        tarSplit,
        release,
      });
    } catch (error) {
      release();
      throw error;
    }
  };
  return { id: record.id, diffId, uncompressedSize: record.diffSize, root: store.root, open };
}

/** The index may have changed since the layer was looked up. */
function checkStillThere(records: readonly LayerRecord[], known: LayerRecord, root: string): void {
  const now = records.find((record) => record.id === known.id);
  if (
    now !== undefined &&
    !now.incomplete &&
    now.diffDigest === known.diffDigest &&
    now.expectedDiffId === known.expectedDiffId
  ) {
    return;
  }
  const change = now === undefined ? "is no longer there" : "has changed";
  throw new CstorageError("LAYER_NOT_FOUND", `layer ${known.id}: ${change} in ${root}`, {
    details: { layer: known.id, roots: [root] },
    hint: "the image was removed or replaced meanwhile; look it up again",
  });
}
