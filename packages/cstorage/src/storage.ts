import { CstorageError } from "./errors.ts";
import { findImage } from "./find-image.ts";
import { isDigest } from "./identifiers.ts";
import { type ImageReference, parseImageReference } from "./image-reference.ts";
import type { ImageStorage } from "./image-storage.ts";
import { realPath } from "./real-path.ts";
import type { Store } from "./store.ts";
import { openStoreImage, type StoreImage } from "./store-image.ts";
import { type DirectoryStoreLayer, openStoreLayer } from "./store-layer.ts";
import type { LockOptions } from "./store-lock.ts";
import { layerNotFound, type PlacedLayer, type StoreSet } from "./store-set.ts";

/** All stores of a user, searched in order: the primary one, then those with read-only images. Close it after use. */
export class Storage implements ImageStorage, StoreSet {
  readonly stores: readonly Store[];
  /** What was passed over on the way, such as additional stores that do not exist; for a person to read. */
  readonly warnings: readonly string[];

  /** @internal made by {@link discoverStores} */
  constructor(stores: readonly Store[], warnings: readonly string[]) {
    this.stores = stores;
    this.warnings = warnings;
  }

  /** Paths of the graph roots, in order of search. */
  get roots(): readonly string[] {
    return this.stores.map((store) => store.root);
  }

  /** All images, store by store, in the order of the indexes. @throws CstorageError */
  async images(options: LockOptions = {}): Promise<StoreImage[]> {
    const images: StoreImage[] = [];
    for (const store of this.stores) {
      for (const record of await store.readImages(options)) images.push(openStoreImage(this, store, record));
    }
    return images;
  }

  /**
   * The image that `reference` names: text as after `containers-storage:`, or that text parsed.
   *
   * @throws CstorageError `REF_INVALID`, `REF_AMBIGUOUS`, `STORE_IMAGE_NOT_FOUND`, `STORE_CORRUPT`, `STORAGE_LOCKED`
   */
  async find(reference: string | ImageReference, options: LockOptions = {}): Promise<StoreImage> {
    const parsed = typeof reference === "string" ? parseImageReference(reference) : reference;
    this.#checkStore(parsed);
    const records = [];
    for (const store of this.stores) records.push(await store.readImages(options));
    const found = findImage(records, parsed);
    return openStoreImage(this, this.stores[found.store] as Store, found.image);
  }

  /**
   * The layer with this id, from the first store that has it.
   *
   * @throws CstorageError `LAYER_NOT_FOUND`; `STORE_CORRUPT` nothing says what the layer's diff id is
   */
  async layer(id: string, options: LockOptions = {}): Promise<DirectoryStoreLayer> {
    const placed = (await this.placeLayers(options)).get(id);
    if (placed === undefined) throw layerNotFound(id, this.roots);
    const diffId = placed.record.diffDigest ?? placed.record.expectedDiffId;
    if (diffId !== null && isDigest(diffId)) return openStoreLayer(this, placed, diffId);
    throw new CstorageError(
      "STORE_CORRUPT",
      `layer ${id}: no usable diff-digest in layers.json of ${placed.store.root}`,
      {
        details: { layer: id, root: placed.store.root },
      },
    );
  }

  /** Every finished layer by id; where several stores have one, the first counts. */
  async placeLayers(options: LockOptions = {}): Promise<ReadonlyMap<string, PlacedLayer>> {
    const layers = new Map<string, PlacedLayer>();
    for (const store of this.stores) {
      for (const record of await store.readLayers(options)) {
        if (!layers.has(record.id)) layers.set(record.id, { store, record });
      }
    }
    return layers;
  }

  /** Lets go of all stores. Layers opened before stay readable until they are closed themselves. */
  async close(): Promise<void> {
    for (const store of this.stores) store.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkStore(reference: ImageReference): void {
    const { store, text } = reference;
    if (store === null || store.graphRoot === this.stores[0]?.root) return;
    if (realPath(store.graphRoot) === this.stores[0]?.root) return;
    throw new CstorageError(
      "REF_INVALID",
      `image reference "${text}": its store ${store.graphRoot} is not the one open`,
      {
        details: { reference: text, graphRoot: store.graphRoot, roots: this.roots },
        hint: "pass the reference to discoverStores, which then opens the store it names",
      },
    );
  }
}
