import { closeSync } from "node:fs";
import { CstorageError } from "./errors.ts";
import type { ImageRecord } from "./image-records.ts";
import { openStoreLayer, type StoreLayer } from "./store-layer.ts";
import type { LockOptions } from "./store-lock.ts";
import { layerNotFound, type PlacedLayer, type StoreSet } from "./store-set.ts";
import { openTarSplit } from "./tar-split-file.ts";

/**
 * The layers of an image, base first: from the top layer along the parents, which may lie in other stores;
 * containers-storage.md §1.4.
 *
 * @param diffIds what the image's config says, base first
 * @throws CstorageError `LAYER_NOT_FOUND`, `LAYER_COUNT_MISMATCH`, `DIFF_ID_MISMATCH`, `TAR_SPLIT_MISSING`, `STORE_CORRUPT`
 */
export async function layersOfImage(
  stores: StoreSet,
  image: ImageRecord,
  diffIds: readonly string[],
  options?: LockOptions,
): Promise<StoreLayer[]> {
  const chain = followParents(await stores.placeLayers(options), image.layer, stores.roots);
  if (chain.length !== diffIds.length) {
    throw new CstorageError(
      "LAYER_COUNT_MISMATCH",
      `image ${image.id}: expected ${diffIds.length} layers (config), found ${chain.length} (layers.json)`,
      { details: { image: image.id, expected: diffIds.length, actual: chain.length } },
    );
  }
  return chain.map((layer, i) => {
    const diffId = diffIds[i] as string;
    const { diffDigest, expectedDiffId } = layer.record;
    if (diffDigest !== diffId && expectedDiffId !== diffId) throw wrongLayer(stores, layer, diffId, image.id);
    return openStoreLayer(stores, layer, diffId);
  });
}

function followParents(
  layers: ReadonlyMap<string, PlacedLayer>,
  top: string | null,
  roots: readonly string[],
): PlacedLayer[] {
  const chain: PlacedLayer[] = [];
  const seen = new Set<string>();
  for (let id = top; id !== null; ) {
    const layer = layers.get(id);
    if (layer === undefined) throw layerNotFound(id, roots);
    if (seen.has(id)) {
      throw new CstorageError("STORE_CORRUPT", `layer ${id}: its parents lead back to itself`, {
        details: { layer: id },
      });
    }
    seen.add(id);
    chain.push(layer);
    id = layer.record.parent;
  }
  return chain.reverse();
}

function wrongLayer(stores: StoreSet, layer: PlacedLayer, diffId: string, image: string): CstorageError {
  const { id, diffDigest, expectedDiffId } = layer.record;
  // A partial pull records the blob's digest here and no tar-split; that the latter is missing says more.
  closeSync(openTarSplit(stores.stores, layer.store, id).fd);
  const actual = diffDigest ?? expectedDiffId;
  return new CstorageError("DIFF_ID_MISMATCH", `layer ${id} of image ${image}: expected ${diffId}, found ${actual}`, {
    details: { layer: id, image, expected: diffId, actual },
  });
}
