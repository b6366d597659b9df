import type { Repository } from "@composefs/core";
import { isDigest, type OciDigest } from "../digest.ts";
import { decodeTag, encodeTag } from "./tag-name.ts";

/** Directory of the records beneath `streams/refs/`: one for each image, and in it a ref for each artifact. */
export const REFERRERS = "oci-referrers";

/** Digests of the artifacts recorded as being about a manifest, sorted (oci.md §3.4). */
export function listReferrers(repository: Repository, subject: OciDigest): OciDigest[] {
  const refs = repository.listRefs("streams", directory(subject));
  return refs.map(({ name }) => decodeTag(name)).filter(isDigest);
}

/** Ref name (beneath `streams/refs/`) that records the artifact `referrer` as being about `subject`. */
export function referrerRef(subject: OciDigest, referrer: OciDigest): string {
  return `${directory(subject)}/${encodeTag(referrer)}`;
}

/**
 * Visits the artifacts about an image, those about them, and so on: each once, however they refer to each other.
 *
 * @param first those about the image itself
 * @param visit gives the artifacts about the visited one
 * @returns digests of all that were visited, in this order
 */
export async function visitReferrers<Referrer extends { readonly digest: OciDigest }>(
  image: OciDigest,
  first: readonly Referrer[],
  visit: (referrer: Referrer) => Promise<readonly Referrer[]>,
): Promise<OciDigest[]> {
  const done = new Set<OciDigest>([image]);
  const queue = [...first];
  for (let referrer = queue.shift(); referrer !== undefined; referrer = queue.shift()) {
    if (done.has(referrer.digest)) continue;
    done.add(referrer.digest);
    queue.push(...(await visit(referrer)));
  }
  return [...done].slice(1);
}

function directory(subject: OciDigest): string {
  return `${REFERRERS}/${encodeTag(subject)}`;
}
