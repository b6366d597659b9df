import type { Repository } from "@composefs/core";
import { isDigest } from "../digest.ts";
import { contentId } from "../streams.ts";
import { REFERRERS } from "./referrers.ts";
import { decodeTag } from "./tag-name.ts";
import { listTags } from "./tags.ts";

/**
 * Removes the records of artifacts about images that are gone, which else would be kept for ever; those that have a tag stay.
 * The artifacts go with the next garbage collection.
 *
 * @returns how many records there were
 * @throws ComposefsError `REPO_READ_ONLY`
 */
export function dropDanglingReferrers(repository: Repository): number {
  repository.ensureWritable();
  // Before the streams: an image gets its name first, and then those of its referrers.
  const records = repository.listRefs("streams", REFERRERS).map(({ name }) => name);
  const streams = new Set(repository.listStreams());
  const tagged = new Set<string>(listTags(repository).map(({ manifestDigest }) => manifestDigest));
  const dangling = records.filter((name) => {
    const [subject, referrer, ...rest] = name.split("/").map(decodeTag);
    if (subject === undefined || !isDigest(subject) || referrer === undefined || rest.length > 0) return false;
    return !streams.has(contentId("manifest", subject)) && !tagged.has(referrer);
  });
  for (const name of dangling) repository.deleteRef("streams", `${REFERRERS}/${name}`);
  return dangling.length;
}
