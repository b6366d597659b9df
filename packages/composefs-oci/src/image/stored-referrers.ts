import type { Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import type { ProgressListener } from "../progress.ts";
import { contentId } from "../streams.ts";
import type { OciImage } from "./image.ts";
import { visitReferrers } from "./referrers.ts";

/**
 * Visits the artifacts about an image that a repository has, and those about them, each once. A record without its artifact
 * is passed over and told of.
 *
 * @param visit opens one, and does with it what is to be done
 * @returns digests of those that were visited
 * @throws what `visit` throws
 */
export async function visitStoredReferrers(
  repository: Repository,
  image: OciImage,
  visit: (digest: OciDigest) => Promise<OciImage>,
  onProgress: ProgressListener | undefined,
): Promise<OciDigest[]> {
  const listed = ({ referrers }: OciImage) => referrers.map((digest) => ({ digest }));
  const visited: OciDigest[] = [];
  await visitReferrers(image.manifestDigest, listed(image), async ({ digest }) => {
    if (repository.findStream(contentId("manifest", digest)) === null) {
      onProgress?.({ type: "note", text: `artifact ${digest} is left out: ${repository.path} has only its name` });
      return [];
    }
    const referrer = await visit(digest);
    visited.push(digest);
    return listed(referrer);
  });
  return visited;
}
