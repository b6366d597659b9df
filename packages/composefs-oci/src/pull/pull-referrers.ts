import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { type Descriptor, parseManifest } from "../image/manifest.ts";
import { MAX_REFERRERS, ofReferrer, visitReferrers } from "../image/referrers.ts";
import { DELTA, isManifestType } from "../media-types.ts";
import type { ProgressListener } from "../progress.ts";
import type { BlobSource, Candidate } from "../source/blob-source.ts";
import type { ReadDocument } from "../source/read-document.ts";

/** Settings of {@link pullReferrers}. */
export interface PullReferrersOptions {
  /** Told what was listed but not taken. */
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Pulls the artifacts that a source has about an image, and those about them. Lists of referrers outlive what they list:
 * what is not there any more, or is about something else, is passed over and told of. A source that knows of none has none.
 *
 * @param pullOne brings one artifact into the repository
 * @returns digests of the artifacts
 * @throws OciError `MANIFEST_UNSUPPORTED` more than a thousand; of the source; what is thrown for one artifact has it in
 *   `details.referrer`
 */
export async function pullReferrers(
  source: BlobSource,
  read: ReadDocument,
  image: Descriptor,
  pullOne: (referrer: Descriptor) => Promise<unknown>,
  { onProgress, signal }: PullReferrersOptions = {},
): Promise<OciDigest[]> {
  const known = new Set<OciDigest>();
  const note = ({ digest }: Descriptor, what: string): void =>
    onProgress?.({ type: "note", text: `artifact ${digest} is left out: ${what}` });
  const referrersOf = async (subject: Descriptor): Promise<readonly Candidate[]> => {
    const listed = (await source.readReferrers?.(subject, { signal })) ?? [];
    for (const { digest } of listed) known.add(digest);
    if (known.size > MAX_REFERRERS) throw tooMany(image);
    const taken: Candidate[] = [];
    for (const candidate of listed) {
      const fault = await faultOf(candidate, subject, read);
      if (fault === null) taken.push(candidate);
      else note(candidate, fault);
    }
    return taken;
  };
  return visitReferrers(image.digest, await referrersOf(image), async (referrer) => {
    signal?.throwIfAborted();
    try {
      await pullOne(referrer);
    } catch (error) {
      throw ofReferrer(error, referrer.digest);
    }
    return referrersOf(referrer);
  });
}

/** Why a listed manifest is not to be taken; null when it is. */
async function faultOf(candidate: Candidate, subject: Descriptor, read: ReadDocument): Promise<string | null> {
  if (!isManifestType(candidate.mediaType)) return `it is of the type '${candidate.mediaType}'`;
  try {
    const { subject: about, artifactType } = parseManifest(await read(candidate, "manifest"));
    if (artifactType === DELTA) return "it is no artifact, but the difference to another image";
    return about?.digest === subject.digest ? null : `it is about ${about?.digest ?? "nothing"}`;
  } catch (error) {
    if (error instanceof OciError && error.code === "SOURCE_NOT_FOUND") return "it is listed, but not there";
    throw ofReferrer(error, candidate.digest);
  }
}

function tooMany({ digest }: Descriptor): OciError {
  return new OciError(
    "MANIFEST_UNSUPPORTED",
    `more than ${MAX_REFERRERS} artifacts are about manifest ${digest} and each other`,
    {
      details: { manifestDigest: digest, limit: MAX_REFERRERS },
      hint: "leave --referrers out; the image itself is there",
    },
  );
}
