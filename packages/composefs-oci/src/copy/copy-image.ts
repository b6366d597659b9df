import { closeSync } from "node:fs";
import type { ObjectId, Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { ImageOptions } from "../image/ensure-images.ts";
import { type OciImage, openImage, openManifest } from "../image/image.ts";
import { ofReferrer } from "../image/referrers.ts";
import { visitStoredReferrers } from "../image/stored-referrers.ts";
import { givenTagRef } from "../image/tag-name.ts";
import { listTags, readTag } from "../image/tags.ts";
import { storedLayer } from "../layer/stored-layer.ts";
import type { ImageSource, SourceLayer } from "../pull/image-source.ts";
import { importImage, type PullResult } from "../pull/import-image.ts";
import { contentId } from "../streams.ts";
import { copyLayer } from "./copy-layer.ts";

/** Settings of {@link copyImage}. */
export interface CopyImageOptions extends ImageOptions {
  /** Name for the image; by default the one it has in the source. */
  readonly tag?: string | undefined;
  /** Refuse rather than copy objects, before anything is written; default false. */
  readonly zeroCopy?: boolean | undefined;
}

/**
 * Copies an image from one repository to another. Both stay open, and with it locked, for as long as it takes. What comes
 * out is what pulling the image would have given: an image with the same manifest, config and layers, with EROFS images
 * as the destination wants them. The artifacts about it come along. A second copy changes nothing.
 *
 * The image gets `tag`; else the tag it was asked for by, else the first tag that the source has for it, bytewise. Without
 * any of these it gets none, and the next garbage collection removes it.
 *
 * @param reference of the image in `source`, anything `resolveImage` takes
 * @throws as `openImage`, `importImage`; OciError `REF_INVALID`; `ZERO_COPY_IMPOSSIBLE` with `zeroCopy`: another hash, or a
 *   file system that can neither clone nor link; `DIFF_ID_MISMATCH`; ComposefsError `OBJECT_CORRUPT`, `OBJECT_NOT_FOUND`
 *   of the source
 * @see oci.md §6.6, §11.8; cli.md D23
 */
export async function copyImage(
  destination: Repository,
  source: Repository,
  reference: string,
  options: CopyImageOptions = {},
): Promise<PullResult> {
  const { tag, zeroCopy = false, onProgress } = options;
  if (tag !== undefined) givenTagRef(tag);
  destination.ensureWritable();
  if (zeroCopy) refuseOtherHash(destination, source);
  onProgress?.({ type: "stage", stage: "resolve" });
  const image = await openImage(source, reference);
  const name = tag ?? tagInSource(source, reference, image.manifestDigest);
  if (name === null) onProgress?.({ type: "note", text: "the image has no tag: the next gc removes it" });
  const isNew = (digest: OciDigest): boolean => destination.findStream(contentId("manifest", digest)) === null;
  if (zeroCopy && image.referrers.some(isNew)) probeZeroCopy(destination, source, image.manifestId);
  const result = await importImage(destination, await imageSource(destination, source, image, zeroCopy), {
    ...options,
    tag: name,
  });
  return copyReferrers(destination, source, image, options, result);
}

/** Copies the artifacts about an image that is there by now, and those about them. */
async function copyReferrers(
  destination: Repository,
  source: Repository,
  image: OciImage,
  options: CopyImageOptions,
  result: PullResult,
): Promise<PullResult> {
  const { erofsVersion, compatWhiteouts, zeroCopy = false, onProgress, signal } = options;
  let { changed } = result;
  const copyOne = async (digest: OciDigest): Promise<OciImage> => {
    try {
      const referrer = await openManifest(source, digest);
      const from = await imageSource(destination, source, referrer, zeroCopy);
      const copied = await importImage(destination, from, { erofsVersion, compatWhiteouts, signal });
      changed ||= copied.changed;
      return referrer;
    } catch (error) {
      throw ofReferrer(error, digest);
    }
  };
  const referrers = await visitStoredReferrers(source, image, copyOne, onProgress);
  return { ...result, referrers, changed };
}

function tagInSource(source: Repository, reference: string, digest: OciDigest): string | null {
  if (readTag(source, reference) === digest) return reference;
  return listTags(source).find(({ manifestDigest }) => manifestDigest === digest)?.name ?? null;
}

async function imageSource(
  destination: Repository,
  source: Repository,
  image: OciImage,
  zeroCopy: boolean,
): Promise<ImageSource> {
  const { config, manifest, configRefs } = image;
  const ids = new Map<SourceLayer, ObjectId>();
  for (const diffId of config?.diffIds ?? manifest.layers.map(({ digest }) => digest)) {
    const id = storedLayer(source, diffId, configRefs);
    const store: SourceLayer["store"] = (run) =>
      copyLayer(destination, source, { diffId, id }, { ...run, zeroCopy, kind: manifest.kind });
    const { size: bytes } = await source.openStreamObject(id, contentId("layer", diffId));
    ids.set({ diffId, bytes, store }, id);
  }
  return {
    manifestDigest: image.manifestDigest,
    manifest: image.manifestBytes,
    config: image.configBytes,
    layers: [...ids.keys()],
    prepare: async (missing) => {
      if (!zeroCopy) return;
      for (const layer of missing) {
        const { objectRefs } = await source.openStreamObject(
          ids.get(layer) as ObjectId,
          contentId("layer", layer.diffId),
        );
        if (objectRefs[0] !== undefined) probeZeroCopy(destination, source, objectRefs[0]);
      }
    },
  };
}

/** Tries to share one object; all of them lie on one file system. */
function probeZeroCopy(destination: Repository, source: Repository, object: ObjectId): void {
  const fd = source.objects.open(object);
  try {
    if (destination.objects.probe(fd, "reflink") === null) return;
    const error = destination.objects.probe(fd, "hardlink");
    if (error === null) return;
    throw new OciError(
      "ZERO_COPY_IMPOSSIBLE",
      `cannot share objects of ${source.path} without copying: ${destination.path} can be given neither clones nor links of them (${error.code})`,
      {
        details: { source: source.path, destination: destination.path },
        hint: "leave --zero-copy out to copy the objects, or put both repositories on one file system",
        cause: error,
      },
    );
  } finally {
    closeSync(fd);
  }
}

function refuseOtherHash(destination: Repository, source: Repository): void {
  if (destination.hash === source.hash) return;
  throw new OciError(
    "ZERO_COPY_IMPOSSIBLE",
    `zero-copy needs the same hash in both repositories: ${source.path} has ${source.hash}, ${destination.path} ${destination.hash}`,
    {
      details: { source: source.hash, destination: destination.hash },
      hint: "leave --zero-copy out; the objects then get new names",
    },
  );
}
