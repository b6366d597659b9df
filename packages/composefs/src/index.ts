export {
  Digester,
  type DigestName,
  type HashName,
  Inflater,
  type StoreFailure,
  type StoreMethod,
  type StoreOutcome,
  tryFlock,
} from "@composefs/reflink";
export { renameBlsFiles, setBlsArgument } from "./boot/bls.ts";
export { BootDirectory } from "./boot/boot-directory.ts";
export { type BootContent, type BootEntry, collectBootEntries } from "./boot/collect-boot-entries.ts";
export { type BootImageArgument, bootImageArgument, findBootImage } from "./boot/kernel-arguments.ts";
export { peSection } from "./boot/pe-section.ts";
export { escapeField } from "./dumpfile/escape.ts";
export { type ParseDumpfileOptions, parseDumpfile, parseDumpfileBytes } from "./dumpfile/parse.ts";
export { type WriteDumpfileOptions, writeDumpfile } from "./dumpfile/write.ts";
export { type BuildOptions, buildImage, imageId, type PlannedImage, planImage } from "./erofs/build-image.ts";
export { imageObjects } from "./erofs/image-objects.ts";
export { type ParseOptions, parseImage } from "./erofs/parse-image.ts";
export { ComposefsError, type ErrorCode, type ErrorExtras } from "./errors.ts";
export { type AlgorithmName, algorithmName, parseAlgorithmName } from "./fsverity/algorithm.ts";
export { measureFile } from "./fsverity/measure-file.ts";
export { isObjectId, type ObjectId, objectPath, parseObjectId } from "./fsverity/object-id.ts";
export { makeDirectories } from "./make-directories.ts";
export { DetachedMount } from "./mount/detached-mount.ts";
export { type MountImageOptions, mountImage } from "./mount/mount-image.ts";
export type { MountOptions } from "./mount/mount-stored-image.ts";
export { type VerifyImageOptions, verifyImage } from "./mount/verify-image.ts";
export { type Finding, type FindingKind, findingText } from "./repository/finding.ts";
export type { FsckOptions } from "./repository/fsck.ts";
export { type FsckReport, fsckJson, fsckLines, type Tally } from "./repository/fsck-report.ts";
export type { ChainLink, GcOptions, GcResult, RemovedObject } from "./repository/gc.ts";
export type { ImageRef, OpenedImage } from "./repository/images.ts";
export { type InitOptions, type InitOutcome, initRepository } from "./repository/init.ts";
export type { LockWait } from "./repository/lock.ts";
export type { LockHolder } from "./repository/lock-holders.ts";
export type { ErofsFormats, ErofsVersion } from "./repository/metadata.ts";
export { type Mount, mountOf } from "./repository/mount-of.ts";
export type { Category } from "./repository/names.ts";
export type { Objects, StoreOptions } from "./repository/objects.ts";
export type { OpenOptions } from "./repository/open-directory.ts";
export type { Ref } from "./repository/refs.ts";
export { Repository } from "./repository/repository.ts";
export { storedId, storeError } from "./repository/store-error.ts";
export type { Publication } from "./repository/streams.ts";
export { DigestStore } from "./scan/digest-store.ts";
export { type ScanOptions, scanDirectory } from "./scan/scan-directory.ts";
export { labelBootTree } from "./selinux/label-tree.ts";
export { type ContentType, contentType } from "./splitstream/format.ts";
export { type PartCounts, parseSplitstream, type Splitstream, type SplitstreamPart } from "./splitstream/reader.ts";
export { SplitstreamWriter } from "./splitstream/writer.ts";
export { type AdjustTreeOptions, adjustTree, splitHardLinks } from "./tree/adjust.ts";
export { checkTree } from "./tree/check.ts";
export type { XattrMode } from "./tree/filter-xattrs.ts";
export { lookup } from "./tree/lookup.ts";
export {
  type ByteString,
  byteString,
  bytesOf,
  createDirectory,
  createStat,
  type Directory,
  isDirectory,
  isWhiteout,
  type Leaf,
  type LeafContent,
  type Stat,
  sortedEntries,
  type TreeNode,
} from "./tree/node.ts";
export { type PrepareTreeOptions, prepareBootTree, prepareTree } from "./tree/prepare.ts";
export { countLinks, type Visit, walkTree } from "./tree/walk.ts";
export { unzstd, ZstdDecoder, ZstdFrameWriter } from "./zstd.ts";
