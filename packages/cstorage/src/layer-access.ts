import { canBypassFilePermissions } from "./can-bypass-file-permissions.ts";
import type { Storage } from "./storage.ts";
import type { StoreLayer } from "./store-layer.ts";
import type { LockOptions } from "./store-lock.ts";

/** How layers are read: by this process, or by a helper that may open what it may not. Close it after use. */
export interface LayerAccess {
  /** Whether a helper reads them. */
  readonly proxied: boolean;
  /** The layer, to be read in the way chosen. */
  of(layer: StoreLayer): StoreLayer;
  close(): Promise<void>;
}

/** Reading without a helper. */
export const DIRECT_ACCESS: LayerAccess = { proxied: false, of: (layer) => layer, close: async () => undefined };

/**
 * Chooses how to read `layers` of `storage`: directly where this process may open all their files, else by a helper.
 *
 * @throws CstorageError `HELPER_UNAVAILABLE` one is needed and none can be had; as {@link StoreLayer.open} and
 *   {@link LayerContent.batches}
 * @see containers-storage.md §6.1
 */
export async function accessLayers(
  storage: Storage,
  layers: readonly StoreLayer[],
  options: LockOptions = {},
): Promise<LayerAccess> {
  if (canBypassFilePermissions() || (await allReadable(layers, options))) return DIRECT_ACCESS;
  const { StorageProxy } = await import("./proxy/storage-proxy.ts");
  const proxy = await StorageProxy.spawn(storage, { signal: options.signal });
  return { proxied: true, of: (layer) => proxy.through(layer), close: () => proxy.close() };
}

async function allReadable(layers: readonly StoreLayer[], options: LockOptions): Promise<boolean> {
  for (const layer of layers) {
    const content = await layer.open(options);
    try {
      for await (const batch of content.batches({ signal: options.signal })) {
        if (!(await batch.content.readable())) return false;
      }
    } finally {
      await content.close();
    }
  }
  return true;
}
