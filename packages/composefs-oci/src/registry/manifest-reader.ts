import { digestOf, isDigest, type OciDigest } from "../digest.ts";
import { digestMismatch } from "../digest-mismatch.ts";
import { readRegistryDocument } from "./document-reader.ts";
import { ACCEPT_MANIFESTS, manifestType } from "./manifest-types.ts";
import type { RegistryClient } from "./registry-client.ts";

/** A manifest or index as a registry has it. */
export interface RegistryManifest {
  readonly mediaType: string;
  readonly digest: OciDigest;
  readonly bytes: Uint8Array;
}

/**
 * Reads the manifest or index of a tag, or of a digest, by which its bytes are checked. With a tag they are checked by
 * the digest that the registry states, if it does.
 *
 * @throws OciError `SOURCE_NOT_FOUND`; `MANIFEST_INVALID` too large; `BLOB_DIGEST_MISMATCH`; `AUTH_FAILED`; `TRANSPORT`
 */
export async function readRegistryManifest(
  client: RegistryClient,
  tagOrDigest: string,
  signal: AbortSignal | undefined,
): Promise<RegistryManifest> {
  const what = `manifest ${tagOrDigest}`;
  const request = { path: `manifests/${tagOrDigest}`, what, accept: ACCEPT_MANIFESTS };
  const { bytes, headers } = await readRegistryDocument(client, request, signal);
  const expected = isDigest(tagOrDigest) ? tagOrDigest : statedDigest(headers["docker-content-digest"]);
  const digest = digestOf(bytes, expected ?? undefined);
  if (expected === null || digest === expected) {
    return { mediaType: manifestType(headers["content-type"], bytes), digest, bytes };
  }
  const hint = "the registry, or a proxy in front of it, gives other bytes than it should";
  throw digestMismatch(`${client.name}: ${what}`, expected, digest, hint);
}

/** The digest in a `Docker-Content-Digest` header; null where it is none. */
export function statedDigest(header: string | string[] | undefined): OciDigest | null {
  return typeof header === "string" && isDigest(header) ? header : null;
}
