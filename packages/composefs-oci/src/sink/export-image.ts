import type { Repository } from "@composefs/core";
import { digestOf, type OciDigest } from "../digest.ts";
import { type OciImage, openImage, openManifest } from "../image/image.ts";
import type { Descriptor } from "../image/manifest.ts";
import { visitStoredReferrers } from "../image/stored-referrers.ts";
import type { ProgressListener } from "../progress.ts";
import type { BlobSink } from "./blob-sink.ts";
import { type BlobExport, type BlobTally, exportBlobs } from "./export-blobs.ts";
import { manifestMediaType } from "./rewrite-manifest.ts";

/** Settings of {@link exportImage}. */
export interface ExportOptions {
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What {@link exportImage} did. Blobs are layers and configs; manifests do not count. */
export interface ExportResult extends Readonly<BlobTally> {
  /** The manifest at the sink. */
  readonly manifestDigest: OciDigest;
  /** The image's own; the same unless layers had to be compressed anew. */
  readonly storedManifestDigest: OciDigest;
  readonly configDigest: OciDigest;
  /** Artifacts about the image that went along. */
  readonly referrers: readonly OciDigest[];
  /** Artifacts that did not, since they are about a manifest that the sink did not get. */
  readonly referrersLeftOut: readonly OciDigest[];
}

/**
 * Hands an image on: its layers, several at a time, its config, then its manifest, and the artifacts about it. Where every
 * blob is the original one, the manifest is, too, byte for byte. A compressed layer that the sink does not have is
 * compressed anew; if that gives other bytes, the manifest is the stored one with the new digests, and the image gets
 * another digest. The config, and with it the diff_ids, stays the same. `sink.finish` is called, `sink.close` is not.
 *
 * @param reference anything `resolveImage` takes
 * @throws as `openImage`, {@link exportBlobs}
 * @see cli.md §1.4
 */
export async function exportImage(
  repository: Repository,
  reference: string,
  sink: BlobSink,
  options: ExportOptions = {},
): Promise<ExportResult> {
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const tally: BlobTally = { blobsWritten: 0, bytesWritten: 0, blobsPresent: 0, bytesPresent: 0 };
  const work: BlobExport = { repository, sink, tally, failed, signal, onProgress: options.onProgress };
  options.onProgress?.({ type: "stage", stage: "resolve" });
  const image = await openImage(repository, reference);
  const manifest = await exportBlobs(work, image);
  signal.throwIfAborted();
  options.onProgress?.({ type: "stage", stage: "commit" });
  const descriptor = manifestDescriptor(manifest, image);
  await sink.putManifest(descriptor, manifest, { signal });
  const original = descriptor.digest === image.manifestDigest;
  const referrers = original ? await exportReferrers(work, image) : [];
  if (!original) noteChange(options, image);
  signal.throwIfAborted();
  await sink.finish();
  return {
    manifestDigest: descriptor.digest,
    storedManifestDigest: image.manifestDigest,
    configDigest: image.configDigest,
    ...tally,
    referrers,
    referrersLeftOut: original ? [] : image.referrers,
  };
}

/** Artifacts about the image, and those about them, each once. */
function exportReferrers(work: BlobExport, image: OciImage): Promise<OciDigest[]> {
  const { repository, sink, signal, onProgress } = work;
  const exportOne = async (digest: OciDigest): Promise<OciImage> => {
    const referrer = await openManifest(repository, digest);
    const bytes = await exportBlobs({ ...work, onProgress: undefined }, referrer);
    await sink.putReferrer(manifestDescriptor(bytes, referrer), bytes, { signal });
    return referrer;
  };
  return visitStoredReferrers(repository, image, exportOne, onProgress);
}

function noteChange({ onProgress }: ExportOptions, { manifestDigest, referrers }: OciImage): void {
  const others = referrers.length === 0 ? "" : `; ${referrers.length} artifacts about the old one are left out`;
  onProgress?.({
    type: "note",
    text: `layers were compressed anew, so the manifest is no longer ${manifestDigest}${others}`,
  });
}

function manifestDescriptor(bytes: Uint8Array, { manifestDigest }: OciImage): Descriptor {
  return { mediaType: manifestMediaType(bytes), digest: digestOf(bytes, manifestDigest), size: bytes.length };
}
