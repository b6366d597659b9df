import { createHash } from "node:crypto";
import { join } from "node:path";
import { bigDataFileName } from "./big-data-name.ts";
import { CstorageError } from "./errors.ts";
import { isDigest } from "./identifiers.ts";
import { configDigestOfManifest, diffIdsOfConfig } from "./image-manifest.ts";
import type { ImageRecord } from "./image-records.ts";
import { layersOfImage } from "./layer-chain.ts";
import { readFileBeneath } from "./open-beneath.ts";
import type { Store } from "./store.ts";
import type { StoreLayer } from "./store-layer.ts";
import type { LockOptions } from "./store-lock.ts";
import type { StoreSet } from "./store-set.ts";

/** An image of a store. */
export interface StoreImage {
  /** 64 hex digits. */
  readonly id: string;
  /** Fully qualified names; may be none. */
  readonly names: readonly string[];
  /** Digest the image was stored under. */
  readonly digest: string | null;
  /** Graph root of the store that has the image. */
  readonly root: string;
  /**
   * The manifest's exact bytes, checked against the digest the index has for it.
   *
   * @throws CstorageError `STORE_CORRUPT`, `STORE_IMAGE_NOT_FOUND` (removed meanwhile), `STORAGE_LOCKED`
   */
  manifest(options?: LockOptions): Promise<Uint8Array>;
  /**
   * The config's exact bytes, checked against the manifest.
   *
   * @throws CstorageError as for {@link StoreImage.manifest}, and `MANIFEST_UNSUPPORTED`
   */
  config(options?: LockOptions): Promise<Uint8Array>;
  /**
   * The layers, base first, checked against the config's diff ids.
   *
   * @throws CstorageError as for {@link StoreImage.config}, and `LAYER_NOT_FOUND`, `LAYER_COUNT_MISMATCH`,
   *   `DIFF_ID_MISMATCH`, `TAR_SPLIT_MISSING`
   */
  layers(options?: LockOptions): Promise<StoreLayer[]>;
}

/** Makes the {@link StoreImage} of an index record. */
export function openStoreImage(stores: StoreSet, store: Store, record: ImageRecord): StoreImage {
  const { id, names, digest } = record;
  const shown = (key: string): string => join(store.root, "overlay-images", id, bigDataFileName(key));
  const manifest = async (options?: LockOptions): Promise<Uint8Array> => {
    const bytes = await readBigData(store, id, "manifest", options);
    const expected = record.bigDataDigests.get("manifest");
    if (expected !== undefined) checkDigest(bytes, expected, shown("manifest"));
    return bytes;
  };
  const config = async (options?: LockOptions): Promise<Uint8Array> => {
    const key = configDigestOfManifest(await manifest(options), shown("manifest"));
    const bytes = await readBigData(store, id, key, options);
    checkDigest(bytes, key, shown(key));
    return bytes;
  };
  const layers = async (options?: LockOptions): Promise<StoreLayer[]> => {
    const diffIds = diffIdsOfConfig(await config(options), `config of image ${id}`);
    return layersOfImage(stores, record, diffIds, options);
  };
  return { id, names, digest, root: store.root, manifest, config, layers };
}

async function readBigData(store: Store, id: string, key: string, options?: LockOptions): Promise<Buffer> {
  const { lock, index } = await store.lockImages(options);
  try {
    if (store.imagesFd === null || !index.records.some((image) => image.id === id)) {
      throw new CstorageError("STORE_IMAGE_NOT_FOUND", `image ${id}: no longer in ${store.root}`, {
        details: { image: id, root: store.root },
      });
    }
    const path = `${id}/${bigDataFileName(key)}`;
    const shown = join(store.root, "overlay-images", path);
    const bytes = readFileBeneath(store.imagesFd, path, shown);
    if (bytes !== null) return bytes;
    throw new CstorageError("STORE_CORRUPT", `${shown}: missing ("${key}" of image ${id})`, {
      details: { file: shown, image: id, key },
    });
  } finally {
    lock.close();
  }
}

function checkDigest(bytes: Uint8Array, expected: string, shown: string): void {
  const [algorithm] = expected.split(":", 1);
  const actual = isDigest(expected)
    ? `${algorithm}:${createHash(algorithm as string)
        .update(bytes)
        .digest("hex")}`
    : "a digest of no known algorithm";
  if (actual === expected) return;
  throw new CstorageError("STORE_CORRUPT", `${shown}: expected digest ${expected}, found ${actual}`, {
    details: { file: shown, expected, actual },
  });
}
