import type { ContentType } from "@composefs/core";
import { contentType } from "@composefs/core/repository";
import { isDigest, type OciDigest } from "./digest.ts";

/** Content types of the splitstreams of OCI images (oci.md §3.1). */
export const CONTENT_TYPE: Readonly<Record<"layer" | "blob" | "config" | "manifest", ContentType>> = {
  layer: contentType("ocilayer"),
  blob: contentType("oci_blob"),
  config: contentType("ociconfg"),
  manifest: contentType("ocimanif"),
};

/** Content identifier of a stream: its first-level name beneath `streams/`. */
export function contentId(kind: "layer" | "config" | "manifest", digest: OciDigest): string {
  return `oci-${kind}-${digest}`;
}

/** Name under which a manifest stream refers to its config. */
export function configRefName(digest: OciDigest): string {
  return `config:${digest}`;
}

/** Digest in the content identifier of a manifest stream; null for any other, and for one that is no digest. */
export function manifestDigestOf(entry: string): OciDigest | null {
  const prefix = "oci-manifest-";
  const digest = entry.startsWith(prefix) ? entry.slice(prefix.length) : "";
  return isDigest(digest) ? digest : null;
}
