import type { StoreImage } from "./store-image.ts";
import type { StoreLayer } from "./store-layer.ts";
import type { LockOptions } from "./store-lock.ts";

/** The images and layers of a user's stores, read by this process or by the helper. Close it after use. */
export interface ImageStorage extends AsyncDisposable {
  /** All images, store by store, in the order of the indexes. @throws CstorageError */
  images(options?: LockOptions): Promise<StoreImage[]>;
  /**
   * The image that `reference` names: text as after `containers-storage:`.
   *
   * @throws CstorageError `REF_INVALID`, `REF_AMBIGUOUS`, `STORE_IMAGE_NOT_FOUND`, `STORE_CORRUPT`, `STORAGE_LOCKED`
   */
  find(reference: string, options?: LockOptions): Promise<StoreImage>;
  /** The layer with this id, from the first store that has it. @throws CstorageError `LAYER_NOT_FOUND`, `STORE_CORRUPT` */
  layer(id: string, options?: LockOptions): Promise<StoreLayer>;
  close(): Promise<void>;
}
