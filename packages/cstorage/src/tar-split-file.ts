import { join } from "node:path";
import { CstorageError } from "./errors.ts";
import { openFile } from "./open-beneath.ts";
import type { Store } from "./store.ts";

/** A layer's tar-split file, open. */
export interface TarSplitHandle {
  /** The caller closes it. */
  readonly fd: number;
  /** Path for messages. */
  readonly file: string;
}

/**
 * Opens the tar-split file of a layer. For a layer in the image root of a split store it lies under the primary root.
 *
 * @throws CstorageError `TAR_SPLIT_MISSING`; `PERMISSION_DENIED`, `STORE_CORRUPT`
 */
export function openTarSplit(stores: readonly Store[], store: Store, layer: string): TarSplitHandle {
  const name = `${layer}.tar-split.gz`;
  const places = store.role === "imagestore" ? [store, ...stores.filter(({ role }) => role === "primary")] : [store];
  for (const place of places) {
    const file = join(place.root, "overlay-layers", name);
    const fd = openFile(place.layersFd, name, file);
    if (fd !== null) return { fd, file };
  }
  throw new CstorageError("TAR_SPLIT_MISSING", `layer ${layer}: no ${name} in ${store.root}/overlay-layers`, {
    details: { layer, root: store.root },
    hint: "the layer was pulled in part (zstd:chunked) and cannot be rebuilt; pull the image again without partial pulls",
  });
}
