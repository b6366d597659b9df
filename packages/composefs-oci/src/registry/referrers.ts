import { type OciDigest, parseDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import {
  asObject,
  type JsonObject,
  listField,
  optionalObjectField,
  optionalStringField,
  parseJsonObject,
  sizeField,
  stringField,
} from "../image/json-shape.ts";
import type { Candidate, Platform } from "../source/blob-source.ts";
import { type RegistryDocument, readDocument } from "./read-document.ts";
import { resolveLocation } from "./redirects.ts";
import type { RegistryClient } from "./registry-client.ts";

const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
/** More pages of referrers than anybody has. */
const MAX_PAGES = 100;

/**
 * Lists the manifests whose `subject` is the given one: by the referrers API, or where the registry has none, by the
 * tag that stands in for it.
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
    for (const candidate of parseIndex(page.bytes, subject)) found.set(candidate.digest, candidate);
    const next = nextPage(page, client.plain);
    page = next === null || n === MAX_PAGES ? null : await findIndex(client, next, signal);
  }
  return [...found.values()];
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
    return await readDocument(client, { path, what: "referrers", accept: INDEX_TYPE }, signal);
  } catch (error) {
    if (error instanceof OciError && error.code === "SOURCE_NOT_FOUND") return null;
    throw error;
  }
}

function parseIndex(bytes: Uint8Array, subject: OciDigest): Candidate[] {
  const index = parseJsonObject(bytes, `referrers of ${subject}`);
  return listField(index, "manifests", (item, place) => parseCandidate(asObject(item, place)));
}

function parseCandidate(object: JsonObject): Candidate {
  const platform = optionalObjectField(object, "platform");
  return {
    mediaType: stringField(object, "mediaType"),
    digest: parseDigest(stringField(object, "digest"), `${object.place}.digest`),
    size: sizeField(object, "size"),
    platform: platform === null ? null : parsePlatform(platform),
  };
}

function parsePlatform(object: JsonObject): Platform {
  return {
    os: stringField(object, "os"),
    architecture: stringField(object, "architecture"),
    variant: optionalStringField(object, "variant"),
  };
}

/** The `Link` header's next page; RFC 8288. */
function nextPage({ headers, url }: RegistryDocument, plain: boolean): URL | null {
  const { link } = headers;
  const target = /<([^>]*)>[^,]*;[ \t]*rel="?next"?/i.exec(typeof link === "string" ? link : "")?.[1];
  return target === undefined ? null : resolveLocation(target, url, plain);
}
