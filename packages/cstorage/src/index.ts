export type { BatchContent, StoreRequest } from "./batch-content.ts";
export { bigDataFileName } from "./big-data-name.ts";
export { canBypassFilePermissions } from "./can-bypass-file-permissions.ts";
export { discoverStores, type StoreSearch } from "./discover.ts";
export { CstorageError, type CstorageErrorCode, type CstorageErrorOptions } from "./errors.ts";
export { fileFailure } from "./file-failure.ts";
export { type FoundImage, findImage } from "./find-image.ts";
export { type ImageRecord, parseImageRecords } from "./image-records.ts";
export { type ImageReference, parseImageReference, type StoreSpecifier } from "./image-reference.ts";
export type { ImageStorage } from "./image-storage.ts";
export { initIfHelper } from "./init-helper.ts";
export { accessLayers, DIRECT_ACCESS, type LayerAccess } from "./layer-access.ts";
export type { LayerBatch, LayerFile, LayerRun } from "./layer-batch.ts";
export type { LayerContent } from "./layer-content.ts";
export { type LayerRecord, parseLayerRecords } from "./layer-records.ts";
export { type LayerTarOptions, layerTar } from "./layer-tar.ts";
export { openFirstFile } from "./open-first-file.ts";
export type { ProxiedLayerStream } from "./proxy/proxied-layer.ts";
export { StorageProxy } from "./proxy/storage-proxy.ts";
export { Storage } from "./storage.ts";
export { Store, type StoreRole } from "./store.ts";
export { type ConfigSources, resolveStoreConfig, type StoreConfig } from "./store-config.ts";
export type { StoreImage } from "./store-image.ts";
export type { StoreLayer } from "./store-layer.ts";
export type { LockOptions, StoreLock } from "./store-lock.ts";
export type { PlacedLayer } from "./store-set.ts";
export {
  parseTarSplitLine,
  type TarSplitFile,
  type TarSplitItem,
  type TarSplitSegment,
} from "./tar-split-line.ts";
