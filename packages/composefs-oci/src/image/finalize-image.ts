import type { Directory, ErofsVersion, ObjectId, Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { ProgressListener } from "../progress.ts";
import { configRefName, contentId } from "../streams.ts";
import type { LayerRef } from "../tree/layers-tree.ts";
import type { EnsuredBootImages } from "./ensure-boot-images.ts";
import { type EnsuredImages, ensureImages, type ImageOptions } from "./ensure-images.ts";
import { IMAGE_KEYS, imageRefs } from "./image-refs.ts";
import { findJsonStream, storeJsonStream } from "./json-stream.ts";
import { referrerRef } from "./referrers.ts";
import { SEAL_LABEL, sealOf } from "./seal.ts";
import { tagRef } from "./tag-name.ts";

/** An image whose layers are stored. */
export interface ImageParts {
  readonly kind: "container" | "artifact";
  /** The image that an artifact is about; null for none. */
  readonly subject: OciDigest | null;
  readonly manifestDigest: OciDigest;
  readonly manifest: Uint8Array;
  readonly configDigest: OciDigest;
  readonly config: Uint8Array;
  /** In the order of the config's diff_ids, repeated ones too. */
  readonly layers: readonly LayerRef[];
  /** Those that are not what their diff_id says, and must not be found by it; none by default. */
  readonly misnamed?: ReadonlySet<string> | undefined;
  /** Their tree, where it is being made already; by default it is made when an image is missing. */
  readonly tree?: Promise<Directory> | undefined;
}

/** Settings of {@link finalizeImage}. */
export interface FinalizeOptions extends ImageOptions {
  /** Name to give to the image; null or absent for none. */
  readonly tag?: string | null | undefined;
  /** Make the images to boot as well; default false. */
  readonly bootable?: boolean | undefined;
  /** With `bootable`: the one image to boot that is wanted, of whatever format and xattrs. */
  readonly expectedBootImage?: ObjectId | undefined;
}

/** What the repository has of an image now. */
export interface FinalImage {
  /** The config's splitstream. */
  readonly configId: ObjectId;
  /** The manifest's splitstream. */
  readonly manifestId: ObjectId;
  /** EROFS images by format, the repository's default first; none for an artifact. */
  readonly imageIds: ReadonlyMap<ErofsVersion, ObjectId>;
  /** Images to boot by format, the repository's default first; null unless they were asked for. */
  readonly bootImages: Pick<EnsuredBootImages, "wanted" | "xattrs"> | null;
  /** Whether any name in the repository changed. */
  readonly changed: boolean;
}

/**
 * Makes an image of stored layers: its EROFS images, the streams of config and manifest, and only when all of it is on
 * disk the names, layers, tag and all, in one go. What is there already is kept, images of other formats too, so that
 * doing it twice changes nothing. Whatever fails, nothing has got a name.
 *
 * @throws as {@link ensureImages}; OciError `REF_INVALID`; with `bootable` as {@link ensureBootImages} and
 *   {@link expectBootImage}, and OciError `MANIFEST_UNSUPPORTED` of an artifact
 * @see oci.md §3.3, §6.2, §11.3
 */
export async function finalizeImage(
  repository: Repository,
  image: ImageParts,
  options: FinalizeOptions = {},
): Promise<FinalImage> {
  const { kind, manifestDigest, configDigest, layers, tree } = image;
  const { tag = null, onProgress, signal } = options;
  if (options.bootable) refuseArtifact(image);
  const ref = tag === null ? null : tagRef(tag);
  const layerRefs = distinctLayers(layers);
  const found = await findJsonStream(repository, "config", configDigest);
  // Images of other layers, which somebody took for these, are none of this one.
  const isOfThese = kind === "artifact" || layerRefs.every(([diffId, id]) => found?.namedRefs.get(diffId) === id);
  const present = isOfThese ? found : null;
  const configRefs = present?.namedRefs ?? new Map<string, ObjectId>();
  const images = kind === "container" ? await ensureImages(repository, layers, configRefs, options, tree) : null;
  const boot = options.bootable ? await bootImagesOf(repository, layers, configRefs, options) : null;
  if (images !== null) noteBrokenSeal(image.config, [...images.all.values(), ...configRefs.values()], boot, onProgress);
  signal?.throwIfAborted();
  onProgress?.({ type: "stage", stage: "commit" });
  // The reference stores the streams without images first, and its objects stay until a collection (oci.md §3.3).
  if (present === null && images !== null) await storeStreams(repository, image, layerRefs, layerRefs);

  const known = new Map([...configRefs, ...(boot?.refs ?? [])]);
  const imageAndBootRefs = images === null ? [] : refsAfterLayers(repository, images, layerRefs, known);
  // The empty config of artifacts is one for all: it stays as the first of them left it, and each manifest refers to its
  // own layers (oci.md §11.4).
  const shared = images === null ? present?.id : undefined;
  const final = await storeStreams(repository, image, layerRefs, [...layerRefs, ...imageAndBootRefs], shared);
  signal?.throwIfAborted();
  const manifestName = contentId("manifest", manifestDigest);
  const changed = await repository.publish({
    images: [...(images?.all.values() ?? []), ...(boot?.wanted.values() ?? [])].map((id) => ({ id })),
    streams: [
      ...layerRefs
        .filter(([diffId]) => !image.misnamed?.has(diffId))
        .map(([diffId, id]) => ({ contentId: contentId("layer", diffId), id })),
      { contentId: contentId("config", configDigest), id: final.configId },
      { contentId: manifestName, id: final.manifestId },
    ],
    refs: [ref, image.subject === null ? null : referrerRef(image.subject, manifestDigest)]
      .filter((name) => name !== null)
      .map((name) => ({ name, contentId: manifestName })),
  });
  return { ...final, imageIds: images?.wanted ?? new Map(), bootImages: boot, changed };
}

/**
 * An artifact has nothing to boot.
 *
 * @throws OciError `MANIFEST_UNSUPPORTED`
 */
export function refuseArtifact({ kind, manifestDigest }: Pick<ImageParts, "kind" | "manifestDigest">): void {
  if (kind === "container") return;
  throw new OciError("MANIFEST_UNSUPPORTED", `image ${manifestDigest} is an artifact, which cannot be booted`, {
    details: { manifestDigest },
    hint: "pull it without --bootable",
  });
}

async function bootImagesOf(
  repository: Repository,
  layers: readonly LayerRef[],
  configRefs: ReadonlyMap<string, ObjectId>,
  options: FinalizeOptions,
): Promise<EnsuredBootImages> {
  const { ensureBootImages, expectBootImage } = await import("./ensure-boot-images.ts");
  const { expectedBootImage: expected } = options;
  return expected === undefined
    ? ensureBootImages(repository, layers, configRefs, options)
    : expectBootImage(repository, layers, configRefs, expected, options);
}

/** Tells of an image that says it has another EROFS image than any that was made of it. */
function noteBrokenSeal(
  config: Uint8Array,
  images: readonly ObjectId[],
  boot: EnsuredBootImages | null,
  onProgress: ProgressListener | undefined,
): void {
  const seal = sealOf(config);
  const known = seal === null || [...images, ...(boot?.wanted.values() ?? [])].some((id) => id === seal);
  if (!known)
    onProgress?.({ type: "note", text: `the image is sealed for another EROFS image: ${SEAL_LABEL} is ${seal}` });
}

type NamedRef = readonly [name: string, id: ObjectId];

async function storeStreams(
  repository: Repository,
  { manifestDigest, manifest, configDigest, config }: ImageParts,
  layerRefs: readonly NamedRef[],
  configRefs: readonly NamedRef[],
  knownConfig?: ObjectId,
): Promise<{ readonly configId: ObjectId; readonly manifestId: ObjectId }> {
  const configId =
    knownConfig ??
    (await storeJsonStream(repository, { kind: "config", digest: configDigest, bytes: config, refs: configRefs }));
  const manifestId = await storeJsonStream(repository, {
    kind: "manifest",
    digest: manifestDigest,
    bytes: manifest,
    refs: [[configRefName(configDigest), configId], ...layerRefs],
  });
  return { configId, manifestId };
}

function distinctLayers(layers: readonly LayerRef[]): (readonly [OciDigest, ObjectId])[] {
  return [...new Map(layers.map(({ diffId, id }) => [diffId, id]))];
}

/** What a config's stream names after its layers: the images, then whatever else it named, boot images, by name. */
function refsAfterLayers(
  repository: Repository,
  images: EnsuredImages,
  layerRefs: readonly NamedRef[],
  configRefs: ReadonlyMap<string, ObjectId>,
): NamedRef[] {
  const known = new Set([...layerRefs.map(([name]) => name), ...IMAGE_KEYS]);
  const others = [...configRefs].filter(([name]) => !known.has(name));
  return [...imageRefs(images.all, repository.erofs), ...others.sort(([a], [b]) => (a < b ? -1 : 1))];
}
