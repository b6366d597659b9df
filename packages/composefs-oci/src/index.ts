export { type PrepareBootOptions, prepareBoot } from "./boot/prepare-boot.ts";
export { type CopyImageOptions, copyImage } from "./copy/copy-image.ts";
export { isDigest, type OciDigest, parseDigest } from "./digest.ts";
export { OciError, type OciErrorCode, type OciErrorOptions } from "./errors.ts";
export { type OciFinding, type OciFindingKind, ociFindingText } from "./fsck/finding.ts";
export { fsckImages, type OciFsckOptions, type OciFsckReport, ociFsckJson, ociFsckLines } from "./fsck/fsck.ts";
export { type ImageConfig, parseConfig } from "./image/config.ts";
export { type EnsuredImages, ensureImages, type ImageOptions } from "./image/ensure-images.ts";
export { type FinalImage, type FinalizeOptions, finalizeImage, type ImageParts } from "./image/finalize-image.ts";
export { type OciImage, openImage } from "./image/image.ts";
export { imageKey, linkedImages } from "./image/image-refs.ts";
export { type ImageToMountOptions, imageToMount } from "./image/image-to-mount.ts";
export { type LinkedErofsImage, linkedErofsImages } from "./image/linked-erofs-images.ts";
export { type BrokenTag, type ImageSummary, listImages } from "./image/list-images.ts";
export { type Descriptor, type Manifest, parseManifest } from "./image/manifest.ts";
export { imageOfReferrer } from "./image/referrers.ts";
export { type RemovedImage, removeImage } from "./image/remove-image.ts";
export { resolveImage } from "./image/resolve-image.ts";
export { tagImage, untagImage } from "./image/tag-image.ts";
export { listTags, type Tag } from "./image/tags.ts";
export type { ImportStats } from "./import-stats.ts";
export { storeBlobLayer } from "./layer/blob-layer.ts";
export {
  type ImportedLayer,
  type ImportLayerOptions,
  importLayer,
  storeTarLayer,
  type TarLayerOptions,
} from "./layer/import-layer.ts";
export { type LayerSummary, layerTar, summarizeLayer } from "./layer/layer-tar.ts";
export type { StoredLayer, StoreVerification } from "./layer/store-layer.ts";
export type { PlannedLayer, ProgressEvent, ProgressListener } from "./progress.ts";
export type { ImageSource, SourceLayer, SourceLayerOptions } from "./pull/image-source.ts";
export { type ImportImageOptions, importImage, type PullResult } from "./pull/import-image.ts";
export { type PullOptions, pull } from "./pull/pull.ts";
export type { SourcePullOptions } from "./pull/source-pull.ts";
export type { StoreSourceOptions } from "./pull/store-source.ts";
export { openRegistrySink, openRegistrySource } from "./registry/open-registry.ts";
export type { RegistryOptions } from "./registry/options.ts";
export type { BlobFacts, BlobSink } from "./sink/blob-sink.ts";
export type { BlobTally } from "./sink/export-blobs.ts";
export { type ExportOptions, type ExportResult, exportImage } from "./sink/export-image.ts";
export { openLayoutSink } from "./sink/layout-sink.ts";
export type { AccessOptions, BlobSource, Candidate, Platform } from "./source/blob-source.ts";
export { contentId } from "./streams.ts";
export { type AppliedLayer, applyLayer, type WhiteoutOptions } from "./tree/apply-layer.ts";
export { type ImageTreeOptions, imageTree } from "./tree/image-tree.ts";
export { layerDumpfile } from "./tree/layer-dumpfile.ts";
export { type LayerRef, type LayersTreeOptions, layersTree } from "./tree/layers-tree.ts";
