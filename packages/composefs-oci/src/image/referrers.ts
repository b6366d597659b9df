import type { Repository } from "@composefs/core";
import { isDigest, type OciDigest } from "../digest.ts";
import { decodeTag, encodeTag } from "./tag-name.ts";

/** Digests of the artifacts recorded as being about a manifest, sorted (oci.md §3.4). */
export function listReferrers(repository: Repository, subject: OciDigest): OciDigest[] {
  const refs = repository.listRefs("streams", `oci-referrers/${encodeTag(subject)}`);
  return refs.map(({ name }) => decodeTag(name)).filter(isDigest);
}
