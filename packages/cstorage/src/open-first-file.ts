import type { StoreLayer } from "./store-layer.ts";
import type { LockOptions } from "./store-lock.ts";

/**
 * Opens the first file with content of a layer, for trying what its file system can do.
 *
 * @returns a descriptor that the caller closes; null when no file of the layer has content
 * @throws CstorageError as {@link StoreLayer.open}, and of a file that is not there or not as stored
 */
export async function openFirstFile(layer: StoreLayer, options: LockOptions = {}): Promise<number | null> {
  const content = await layer.open(options);
  try {
    for await (const batch of content.batches({ signal: options.signal })) {
      try {
        if (batch.files.length > 0) return await batch.content.open(0);
      } finally {
        batch.content.release();
      }
    }
    return null;
  } finally {
    await content.close();
  }
}
