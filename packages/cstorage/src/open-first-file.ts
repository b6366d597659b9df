import { openContent } from "./large-file.ts";
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
    for await (const { files } of content.batches({ signal: options.signal })) {
      const [file] = files;
      if (file !== undefined) return await openContent(content, file);
    }
    return null;
  } finally {
    await content.close();
  }
}
