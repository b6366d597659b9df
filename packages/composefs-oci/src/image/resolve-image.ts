import { ComposefsError, isObjectId, type ObjectId, type Repository } from "@composefs/core";
import { digestHex, isDigest, type OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { configRefName, contentId, manifestDigestOf } from "../streams.ts";
import { listTags, readTag, type Tag } from "./tags.ts";

const MIN_PREFIX_DIGITS = 8;

/**
 * Finds the manifest that a reference means, the first of these that fits (cli.md D10): a tag; `refs/…`, a ref beneath
 * `streams/` to a manifest; `@digest` or a digest, of a manifest, else of a config; the first 8 or more hex digits of a
 * manifest's digest, tagged ones before others; the id, with or without the hash before it, of an EROFS image or of the
 * splitstream of a manifest or config, as `oci pull` and `oci compute-id` print them.
 *
 * @throws OciError `IMAGE_NOT_FOUND`, `REF_AMBIGUOUS` with `details.candidates`
 */
export async function resolveImage(repository: Repository, reference: string): Promise<OciDigest> {
  const tagged = reference.startsWith("@") ? null : readTag(repository, reference);
  if (tagged !== null) return tagged;
  const text = reference.startsWith("@") ? reference.slice(1) : reference;
  const referred = reference.startsWith("refs/") ? readManifestRef(repository, reference) : null;
  if (referred !== null) return referred;
  const tags = listTags(repository);
  const id = objectIdIn(text, repository);
  if (isDigest(text)) {
    if (repository.findStream(contentId("manifest", text)) !== null) return text;
    const named = await findManifests(repository, ({ namedRefs }) => namedRefs.has(configRefName(text)));
    if (named.manifests.length > 0 || id === null) return onlyOne(named, reference, tags);
  } else {
    const found = byPrefix(repository, tags, text);
    if (found.length > 0 || id === null) return onlyOne({ manifests: found }, reference, tags);
  }
  return onlyOne(await findManifests(repository, (stream) => refersTo(repository, stream, id)), reference, tags);
}

type Stream = Awaited<ReturnType<Repository["openStream"]>>;

/** Manifests that fit, and what kept others from being looked at. */
interface Candidates {
  readonly manifests: readonly OciDigest[];
  readonly damaged?: ComposefsError | undefined;
}

function readManifestRef(repository: Repository, reference: string): OciDigest | null {
  try {
    return manifestDigestOf(repository.readRef("streams", reference.slice("refs/".length)) ?? "");
  } catch (error) {
    if (error instanceof ComposefsError && error.code === "REF_INVALID") return null;
    throw error;
  }
}

function objectIdIn(text: string, { hash }: Repository): ObjectId | null {
  const hex = text.startsWith(`${hash}:`) ? text.slice(hash.length + 1) : text;
  return isObjectId(hex, hash) ? hex : null;
}

function byPrefix(repository: Repository, tags: readonly Tag[], text: string): OciDigest[] {
  const hex = text.replace(/^sha(256|384|512):/, "");
  if (hex.length < MIN_PREFIX_DIGITS || !/^[0-9a-f]+$/.test(hex)) return [];
  const fits = (digest: OciDigest): boolean => (hex === text ? digestHex(digest) : digest).startsWith(text);
  const tagged = new Set(tags.map(({ manifestDigest }) => manifestDigest).filter(fits));
  if (tagged.size > 0) return [...tagged];
  return repository
    .listStreams()
    .map(manifestDigestOf)
    .filter((digest) => digest !== null && fits(digest)) as OciDigest[];
}

/** The manifests whose streams fit. */
async function findManifests(
  repository: Repository,
  fits: (stream: Stream) => boolean | Promise<boolean>,
): Promise<Candidates> {
  const manifests: OciDigest[] = [];
  let damaged: ComposefsError | undefined;
  for (const entry of repository.listStreams()) {
    const manifestDigest = manifestDigestOf(entry);
    if (manifestDigest === null) continue;
    try {
      if (await fits(await repository.openStream(entry))) manifests.push(manifestDigest);
    } catch (error) {
      // A damaged image must not hide the others; it is told of only when nothing else is found.
      if (!(error instanceof ComposefsError)) throw error;
      damaged ??= error;
    }
  }
  return { manifests, damaged };
}

/** Whether `id` is that of a manifest's stream, of its config's, or of an EROFS image of that. */
async function refersTo(repository: Repository, manifest: Stream, id: ObjectId): Promise<boolean> {
  if (manifest.id === id) return true;
  for (const [name, configId] of manifest.namedRefs) {
    if (!name.startsWith("config:")) continue;
    if (configId === id) return true;
    const { namedRefs } = await repository.openStreamObject(configId, `oci-${name.replace(":", "-")}`);
    if ([...namedRefs].some(([key, image]) => image === id && key.startsWith("composefs.image"))) return true;
  }
  return false;
}

function onlyOne(
  { manifests: candidates, damaged: cause }: Candidates,
  reference: string,
  tags: readonly Tag[],
): OciDigest {
  const [first, ...others] = candidates;
  if (first !== undefined && others.length === 0) return first;
  if (first !== undefined) {
    throw new OciError("REF_AMBIGUOUS", `'${reference}' means several images: ${candidates.join(", ")}`, {
      details: { reference, candidates },
      hint: "give a tag or more digits",
    });
  }
  const similar = tags.map(({ name }) => name).filter((name) => name.includes(reference) || reference.includes(name));
  const hint =
    similar.length > 0
      ? `did you mean ${similar.slice(0, 3).join(" or ")}?`
      : tags.length === 0
        ? "the repository has no images; get one with `cfsctl oci pull`"
        : "`cfsctl oci images` lists what there is";
  throw new OciError("IMAGE_NOT_FOUND", `image '${reference}' not found in the repository`, {
    details: { reference },
    hint,
    cause,
  });
}
