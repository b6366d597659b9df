import { OciError } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import { parseImageIndex } from "../image/image-index.ts";
import { type Descriptor, parseManifest } from "../image/manifest.ts";
import { isIndexType, isManifestType } from "../media-types.ts";
import type { AccessOptions, BlobSource, Candidate, Platform } from "./blob-source.ts";
import { hostPlatform, platformRank, platformText } from "./platform.ts";
import type { ReadDocument } from "./read-document.ts";

/** Which of several manifests to take. */
export interface ResolveOptions extends AccessOptions {
  /** Default this machine's. */
  readonly platform?: Platform | undefined;
  /**
   * Also a manifest that is all there is must be for this machine when no platform is asked for; default false. Layouts
   * have it so (oci.md §1.3).
   */
  readonly strictPlatform?: boolean | undefined;
}

/** Platforms that an error lists. */
const SHOWN_PLATFORMS = 10;

/** Names that may stand in a command line that is proposed. */
const PLATFORM = /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/;

/** What was passed over, for the error. */
interface Rejects {
  readonly platforms: Set<string>;
  readonly mediaTypes: Set<string>;
  nested: boolean;
}

/**
 * The manifest that a source's reference means on this machine: the candidate that suits best, of equals the first; those
 * of an index stand in its place, one level deep. Nothing is read after one that suits as well as can be. An artifact has no
 * platform and is taken when it is the only candidate.
 *
 * @throws OciError `SOURCE_NOT_FOUND` none fits; `MANIFEST_UNSUPPORTED` there are documents of other kinds only; of reading
 * @see oci.md §1.3, §11.6
 */
export async function resolveManifest(
  source: BlobSource,
  read: ReadDocument,
  options: ResolveOptions,
): Promise<Descriptor> {
  const wanted = options.platform ?? hostPlatform();
  const lenient = options.platform === undefined && !options.strictPlatform;
  const rejects: Rejects = { platforms: new Set(), mediaTypes: new Set(), nested: false };
  const candidates = await source.candidates({ signal: options.signal });
  const alone = candidates.length === 1;
  async function* manifests(): AsyncGenerator<Candidate> {
    for (const candidate of candidates) {
      if (isManifestType(candidate.mediaType)) yield candidate;
      else if (isIndexType(candidate.mediaType)) {
        const bytes = await read(candidate, "index");
        for (const entry of parseImageIndex(bytes, `index ${candidate.digest}`)) {
          if (isManifestType(entry.mediaType)) yield entry;
          else if (isIndexType(entry.mediaType)) rejects.nested = true;
          else rejects.mediaTypes.add(entry.mediaType);
        }
      } else rejects.mediaTypes.add(candidate.mediaType);
    }
  }
  let best: { readonly manifest: Descriptor; readonly rank: number } | null = null;
  for await (const manifest of manifests()) {
    const found = manifest.platform ?? (await platformOf(read, manifest));
    const rank = found === null ? (alone ? 0 : null) : platformRank(wanted, found);
    if (rank === 0 || (alone && lenient && manifest === candidates[0])) return manifest;
    if (rank === null) rejects.platforms.add(found === null ? "an artifact without platform" : platformText(found));
    else if (best === null || rank < best.rank) best = { manifest, rank };
  }
  if (best !== null) return best.manifest;
  throw notFound(wanted, rejects);
}

/** What the image itself says; null for an artifact. */
async function platformOf(read: ReadDocument, candidate: Candidate): Promise<Platform | null> {
  const manifest = parseManifest(await read(candidate, "manifest"));
  if (manifest.kind === "artifact") return null;
  const config = parseConfig(await read(manifest.config, "config"));
  return { os: config.os, architecture: config.architecture, variant: config.variant };
}

function notFound(wanted: Platform, { platforms, mediaTypes, nested }: Rejects): OciError {
  const details = { platform: platformText(wanted), available: [...platforms], mediaTypes: [...mediaTypes] };
  if (platforms.size === 0 && (mediaTypes.size > 0 || nested)) {
    const what = mediaTypes.size > 0 ? `documents of the types ${shown(mediaTypes)}` : "indexes inside an index";
    return new OciError("MANIFEST_UNSUPPORTED", `expected an image manifest, found only ${what}`, {
      details,
      hint: "an image is an OCI or a Docker schema 2 manifest, or an index of some; convert it (`skopeo copy --format oci`)",
    });
  }
  const there = platforms.size === 0 ? "it lists no manifest" : `there are: ${shown(platforms)}`;
  const [first = ""] = platforms;
  return new OciError("SOURCE_NOT_FOUND", `no image for the platform ${details.platform}; ${there}`, {
    details,
    hint: PLATFORM.test(first) ? `choose one, as by \`--platform ${first}\`` : "look at what the source has",
  });
}

function shown(items: ReadonlySet<string>): string {
  const more = items.size > SHOWN_PLATFORMS ? ", …" : "";
  return `${[...items].slice(0, SHOWN_PLATFORMS).join(", ")}${more}`;
}
