import { CstorageError } from "./errors.ts";
import type { LayerRecord } from "./layer-records.ts";
import type { Store } from "./store.ts";
import type { LockOptions } from "./store-lock.ts";

/** A layer's record and the store that has it. */
export interface PlacedLayer {
  readonly store: Store;
  readonly record: LayerRecord;
}

/** Stores that share lookups: a parent or link of one may lie in another. */
export interface StoreSet {
  readonly stores: readonly Store[];
  readonly roots: readonly string[];
  placeLayers(options?: LockOptions): Promise<ReadonlyMap<string, PlacedLayer>>;
}

/** The error for a layer that no store has. */
export function layerNotFound(id: string, roots: readonly string[]): CstorageError {
  return new CstorageError("LAYER_NOT_FOUND", `layer ${id}: not in layers.json of ${roots.join(", ")}`, {
    details: { layer: id, roots },
  });
}
