import type { Repository } from "@composefs/core";
import { ComposefsError } from "@composefs/core/repository";
import { isDigest, type OciDigest } from "../digest.ts";
import { OciError, reworded } from "../errors.ts";
import { contentId } from "../streams.ts";
import { decodeTag, encodeTag } from "./tag-name.ts";

/** Directory of the records beneath `streams/refs/`: one for each image, and in it a ref for each artifact. */
const REFERRERS = "oci-referrers";

/** Artifacts about one image, and about those, that are pulled: far more than anybody has. A source can list any number. */
export const MAX_REFERRERS = 1000;

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
 * The entry of `streams/` that a ref depends on if it is the record of an artifact, else null. For `Repository.gc`: artifacts
 * then go with the image that they are about, unless something else keeps them.
 *
 * @param ref its name beneath `streams/refs/`
 */
export function imageOfReferrer(ref: string): string | null {
  const [first, subject, referrer, ...rest] = ref.split("/");
  if (first !== REFERRERS || subject === undefined || referrer === undefined || rest.length > 0) return null;
  const digest = decodeTag(subject);
  return isDigest(digest) ? contentId("manifest", digest) : null;
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

/** An error of taking an artifact along, which says so; its image is there by then. */
export function ofReferrer(error: unknown, referrer: OciDigest): unknown {
  if (!(error instanceof OciError || error instanceof ComposefsError)) return error;
  const hint = `the image itself is there${error.hint === undefined ? "" : `; ${error.hint}`}`;
  return reworded(error, `artifact ${referrer} about the image: ${error.message}`, { referrer }, hint);
}

function directory(subject: OciDigest): string {
  return `${REFERRERS}/${encodeTag(subject)}`;
}
