import type { Repository } from "@composefs/core";
import { isDigest, type OciDigest } from "../digest.ts";
import { decodeTag, encodeTag } from "./tag-name.ts";

/** Digests of the artifacts recorded as being about a manifest, sorted (oci.md §3.4). */
export function listReferrers(repository: Repository, subject: OciDigest): OciDigest[] {
  const refs = repository.listRefs("streams", directory(subject));
  return refs.map(({ name }) => decodeTag(name)).filter(isDigest);
}

/** Ref name (beneath `streams/refs/`) that records the artifact `referrer` as being about `subject`. */
export function referrerRef(subject: OciDigest, referrer: OciDigest): string {
  return `${directory(subject)}/${encodeTag(referrer)}`;
}

function directory(subject: OciDigest): string {
  return `oci-referrers/${encodeTag(subject)}`;
}
