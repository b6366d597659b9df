import type { Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError, reworded } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import { type Descriptor, type Manifest, parseManifest } from "../image/manifest.ts";
import { storeSourceLayer } from "../layer/store-blob-layer.ts";
import { DELTA, layerCompression } from "../media-types.ts";
import type { BlobSource } from "../source/blob-source.ts";
import { documentReader, type ReadDocument } from "../source/read-document.ts";
import { type ResolveOptions, resolveManifest } from "../source/resolve-manifest.ts";
import type { SourceLayer } from "./image-source.ts";
import { type ImportImageOptions, importImage, type PullResult } from "./import-image.ts";

/** Settings of {@link pullFromSource}. */
export interface SourcePullOptions extends ImportImageOptions, ResolveOptions {
  /** Check each layer's tar against its diff_id; default true. Blobs are checked in any case. */
  readonly verifyDiffId?: boolean | undefined;
  /** Also pull the artifacts that the source has about the image (signatures, SBOMs), and those about them; default false. */
  readonly referrers?: boolean | undefined;
}

/**
 * Pulls the image that a source's reference means. What the repository has already, documents and layers, is not asked
 * for, so that of an image that is all there nothing but its digest is looked up (oci.md §11.3). The source stays open.
 *
 * @throws as {@link resolveManifest} and {@link importImage}; OciError `LAYER_UNSUPPORTED` a container's layer that is no
 *   tar; `LAYER_CORRUPT`, `DIFF_ID_MISMATCH`, codes of the tar. All of them name the source in `details.source`.
 */
export async function pullFromSource(
  repository: Repository,
  source: BlobSource,
  options: SourcePullOptions = {},
): Promise<PullResult> {
  const read = documentReader(repository, source, { signal: options.signal });
  try {
    const descriptor = await resolveManifest(source, read, options);
    const result = await pullManifest(repository, source, read, descriptor, options);
    return options.referrers ? await withReferrers(repository, source, read, descriptor, options, result) : result;
  } catch (error) {
    throw inSource(error, source);
  }
}

async function pullManifest(
  repository: Repository,
  source: BlobSource,
  read: ReadDocument,
  descriptor: Descriptor,
  options: SourcePullOptions,
): Promise<PullResult> {
  const manifestBytes = await read(descriptor, "manifest");
  const manifest = parseManifest(manifestBytes);
  refuseDelta(manifest);
  const config = await read(manifest.config, "config");
  const layers = sourceLayers(repository, source, manifest, config, options);
  const image = { manifestDigest: descriptor.digest, manifest: manifestBytes, config, layers };
  return importImage(repository, image, options);
}

/** Pulls the artifacts about an image that is there by now, so that none stays behind without it. */
async function withReferrers(
  repository: Repository,
  source: BlobSource,
  read: ReadDocument,
  image: Descriptor,
  options: SourcePullOptions,
  result: PullResult,
): Promise<PullResult> {
  const { pullReferrers } = await import("./pull-referrers.ts");
  const { erofsVersion, compatWhiteouts, signal, verifyDiffId } = options;
  const alone = { erofsVersion, compatWhiteouts, signal, verifyDiffId };
  let { changed } = result;
  const pullOne = async (referrer: Descriptor): Promise<void> => {
    const pulled = await pullManifest(repository, source, read, referrer, alone);
    changed ||= pulled.changed;
  };
  const referrers = await pullReferrers(source, read, image, pullOne, options);
  return { ...result, referrers, changed };
}

function sourceLayers(
  repository: Repository,
  source: BlobSource,
  manifest: Manifest,
  config: Uint8Array,
  { verifyDiffId }: SourcePullOptions,
): SourceLayer[] {
  const isContainer = manifest.kind === "container";
  // A wrong number of diff_ids is for the import to refuse.
  const ids = isContainer ? parseConfig(config).diffIds : [];
  return manifest.layers.map((blob, i): SourceLayer => {
    const diffId: OciDigest = ids[i] ?? blob.digest;
    if (isContainer) checkTar(blob, diffId);
    const verify = isContainer && (verifyDiffId ?? true);
    return {
      diffId,
      blob: blob.digest,
      bytes: blob.size,
      store: (run) => storeSourceLayer(repository, source, blob, diffId, { ...run, verify }),
    };
  });
}

function checkTar({ mediaType, digest }: Descriptor, layer: OciDigest): void {
  if (layerCompression(mediaType) !== null) return;
  throw new OciError("LAYER_UNSUPPORTED", `layer ${layer}: blob ${digest} of the type '${mediaType}' is no tar`, {
    details: { layer, blob: digest, mediaType },
    hint: "a container's layers are tars, plain or compressed by gzip or zstd; build the image again",
  });
}

function refuseDelta({ artifactType }: Manifest): void {
  if (artifactType !== DELTA) return;
  throw new OciError("MANIFEST_UNSUPPORTED", "this is no image, but its difference from another one", {
    details: { artifactType },
    hint: "pull the whole image",
  });
}

const BROKEN = "the image is broken; get it from where it was made, or tell who made it";

/** The same error with the source in front, unless it is there. */
function inSource(error: unknown, { reference: source }: BlobSource): unknown {
  if (!(error instanceof OciError) || error.details.source !== undefined) return error;
  const named = error.message.includes(source) ? error.message : `${source}: ${error.message}`;
  return reworded(error, named, { source }, error.hint ?? BROKEN);
}
