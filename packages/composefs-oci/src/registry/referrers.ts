import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { parseImageIndex } from "../image/image-index.ts";
import { MAX_REFERRERS } from "../image/referrers.ts";
import { OCI_INDEX } from "../media-types.ts";
import { addToIndex, type NewIndexEntry } from "../sink/layout-index.ts";
import type { Candidate } from "../source/blob-source.ts";
import { type RegistryDocument, readRegistryDocument } from "./document-reader.ts";
import { resolveLocation } from "./redirects.ts";
import type { RegistryClient } from "./registry-client.ts";

/** More pages of referrers than anybody has. */
const MAX_PAGES = 100;

/**
 * Lists the manifests whose `subject` is the given one: by the referrers API, or where the registry has none, by the
 * tag that stands in for it. Of more than {@link MAX_REFERRERS} the rest is not read.
 *
 * @throws OciError `MANIFEST_INVALID`, `DIGEST_INVALID` an answer that makes no sense; `AUTH_FAILED`; `TRANSPORT`
 */
export async function readRegistryReferrers(
  client: RegistryClient,
  subject: OciDigest,
  signal: AbortSignal | undefined,
): Promise<readonly Candidate[]> {
  const first =
    (await findIndex(client, `referrers/${subject}`, signal)) ??
    (await findIndex(client, `manifests/${fallbackTag(subject)}`, signal));
  const found = new Map<OciDigest, Candidate>();
  let page = first;
  for (let n = 1; page !== null; n++) {
    for (const entry of parseImageIndex(page.bytes, `referrers of ${subject}`)) found.set(entry.digest, entry);
    const next = nextPage(page, client.plain);
    const isLast = next === null || n === MAX_PAGES || found.size > MAX_REFERRERS;
    page = isLast ? null : await findIndex(client, next, signal);
  }
  return [...found.values()];
}

/**
 * The index of {@link fallbackTag} with one more manifest, and the tag; to be put there for a registry that does not answer
 * with `OCI-Subject` and so has no referrers API (distribution specification 1.1, "Pushing Manifests with Subject"). Null
 * when the manifest is listed already.
 */
export async function referrersWith(
  client: RegistryClient,
  subject: OciDigest,
  added: Omit<NewIndexEntry, "tag">,
  signal: AbortSignal | undefined,
): Promise<{ readonly tag: string; readonly index: Uint8Array } | null> {
  const tag = fallbackTag(subject);
  const present = await findIndex(client, `manifests/${tag}`, signal);
  const index = addToIndex(present?.bytes ?? null, [{ ...added, tag: null }], `${client.name}:${tag}`);
  return index === null ? null : { tag, index };
}

/** The distribution specification's tag for registries without the API. */
function fallbackTag(subject: OciDigest): string {
  const [algorithm = "", hex = ""] = subject.split(":");
  return `${algorithm.slice(0, 32)}-${hex.slice(0, 64)}`;
}

async function findIndex(
  client: RegistryClient,
  path: string | URL,
  signal: AbortSignal | undefined,
): Promise<RegistryDocument | null> {
  try {
    return await readRegistryDocument(client, { path, what: "referrers", accept: OCI_INDEX }, signal);
  } catch (error) {
    if (error instanceof OciError && error.code === "SOURCE_NOT_FOUND") return null;
    throw error;
  }
}

/** The `Link` header's next page; RFC 8288. */
function nextPage({ headers, url }: RegistryDocument, plain: boolean): URL | null {
  const { link } = headers;
  const target = /<([^>]*)>[^,]*;[ \t]*rel="?next"?/i.exec(typeof link === "string" ? link : "")?.[1];
  return target === undefined ? null : resolveLocation(target, url, plain);
}
