import { ComposefsError, type Repository } from "@composefs/core";
import { isDigest, type OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { configRefName, contentId, manifestDigestOf } from "../streams.ts";
import { listTags, readTag, type Tag } from "./tags.ts";

const MIN_PREFIX_DIGITS = 8;

/**
 * Finds the manifest that a reference means: a tag, `@digest` or a digest (of a manifest, else of a config), or the
 * first 8 or more hex digits of a tagged manifest's digest.
 *
 * @throws OciError `IMAGE_NOT_FOUND`, `REF_AMBIGUOUS` with `details.candidates`
 */
export async function resolveImage(repository: Repository, reference: string): Promise<OciDigest> {
  const tagged = reference.startsWith("@") ? null : readTag(repository, reference);
  if (tagged !== null) return tagged;
  const text = reference.startsWith("@") ? reference.slice(1) : reference;
  if (isDigest(text)) return byDigest(repository, text, reference);
  const hex = text.replace(/^sha(256|384|512):/, "");
  const candidates = new Set<OciDigest>();
  if (hex.length >= MIN_PREFIX_DIGITS && /^[0-9a-f]+$/.test(hex)) {
    for (const { manifestDigest } of listTags(repository)) {
      const whole = hex === text ? manifestDigest.slice(manifestDigest.indexOf(":") + 1) : manifestDigest;
      if (whole.startsWith(text)) candidates.add(manifestDigest);
    }
  }
  return onlyOne([...candidates], reference, listTags(repository));
}

async function byDigest(repository: Repository, digest: OciDigest, reference: string): Promise<OciDigest> {
  if (repository.findStream(contentId("manifest", digest)) !== null) return digest;
  const manifests: OciDigest[] = [];
  let damaged: ComposefsError | undefined;
  for (const entry of repository.listStreams()) {
    const manifestDigest = manifestDigestOf(entry);
    if (manifestDigest === null) continue;
    try {
      const { namedRefs } = await repository.openStream(entry);
      if (namedRefs.has(configRefName(digest))) manifests.push(manifestDigest);
    } catch (error) {
      // A damaged image must not hide the others; it is told of only when nothing else is found.
      if (!(error instanceof ComposefsError)) throw error;
      damaged ??= error;
    }
  }
  return onlyOne(manifests, reference, listTags(repository), damaged);
}

function onlyOne(
  candidates: readonly OciDigest[],
  reference: string,
  tags: readonly Tag[],
  cause?: ComposefsError,
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
