import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { BlobFacts } from "../sink/blob-sink.ts";
import { MeasuredContent } from "../sink/measured-content.ts";
import type { HttpResponse } from "./http-request.ts";
import { statedDigest } from "./manifest-reader.ts";
import { resolveLocation } from "./redirects.ts";
import type { RegistryClient } from "./registry-client.ts";

/** A failed upload must not wait for long to tell so. */
const MAX_FAREWELL_MS = 5_000;

/**
 * Uploads a blob: a session, its content as one stream, then its digest. Content that is not as expected, or that
 * breaks off, gets no name: the session is given up. The stream is read once, so it is not tried again.
 *
 * @throws OciError `BLOB_DIGEST_MISMATCH`; `AUTH_FAILED`; `TRANSPORT`; what reading `content` threw
 */
export async function uploadBlob(
  client: RegistryClient,
  content: AsyncIterable<Uint8Array>,
  expected: BlobFacts | null,
  signal: AbortSignal | undefined,
): Promise<BlobFacts> {
  const what = `blob ${expected?.digest ?? "(new)"}`;
  const begun = await client.request({
    method: "POST",
    path: "blobs/uploads/",
    headers: { "content-length": "0" },
    expect: [202],
    what,
    signal,
  });
  begun.discard();
  let session = sessionUrl(client, begun, what);
  const measured = new MeasuredContent(content, expected, `${client.name}: ${what}`);
  try {
    const sent = await client.request({
      method: "PATCH",
      path: session,
      headers: { "content-type": "application/octet-stream" },
      body: measured.pieces(),
      expect: [200, 201, 202, 204],
      what,
      signal,
    });
    sent.discard();
    session = sessionUrl(client, sent, what, session);
    const facts = uploaded(measured, `${client.name}: ${what}`);
    await commit(client, session, facts, what, signal);
    return facts;
  } catch (error) {
    await giveUp(client, session, what);
    throw error;
  }
}

async function commit(
  client: RegistryClient,
  session: URL,
  { digest }: BlobFacts,
  what: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  // As text: parsing it anew could change how the registry's own parameters are written.
  const url = new URL(`${session.href}${session.search === "" ? "?" : "&"}digest=${encodeURIComponent(digest)}`);
  let stated: OciDigest | null;
  try {
    const { commitMs: idleMs } = client.timing;
    const headers = { "content-length": "0" };
    const response = await client.request({
      method: "PUT",
      path: url,
      headers,
      idleMs,
      expect: [201, 202, 204],
      what,
      signal,
    });
    response.discard();
    stated = statedDigest(response.headers["docker-content-digest"]);
  } catch (error) {
    // An answer that got lost may have been a good one, and the next attempt then finds no session any more.
    if (!(error instanceof OciError) || error.code === "AUTH_FAILED") throw error;
    const there = await client.request({ method: "HEAD", path: `blobs/${digest}`, expect: [200, 404], what, signal });
    there.discard();
    if (there.status === 200) return;
    throw error;
  }
  if (stated === null || stated === digest) return;
  throw new OciError("BLOB_DIGEST_MISMATCH", `${client.name}: ${what}: the registry stored ${stated}`, {
    details: { expected: digest, actual: stated },
    hint: "the registry has a fault, or something on the way changes what is sent",
  });
}

/** Tells the registry that nothing more will come; it would find out by itself, only later. */
async function giveUp(client: RegistryClient, session: URL, what: string): Promise<void> {
  try {
    const idleMs = Math.min(client.timing.idleMs, MAX_FAREWELL_MS);
    const request = { method: "DELETE", path: session, idleMs, attempts: 1, what } as const;
    const response = await client.request({ ...request, expect: [200, 202, 204] });
    response.discard();
  } catch (error) {
    // The failure that led here is the one to tell of.
    if (!(error instanceof OciError)) throw error;
  }
}

function sessionUrl(client: RegistryClient, { headers, url }: HttpResponse, what: string, fallback?: URL): URL {
  const { location } = headers;
  if (location !== undefined) return resolveLocation(location, url, client.plain);
  if (fallback !== undefined) return fallback;
  throw new OciError("TRANSPORT", `${client.name}: ${what}: the registry does not say where to upload`, {
    hint: "the registry, or a proxy in front of it, is set up wrongly",
  });
}

/** What was uploaded. @throws OciError `TRANSPORT` the registry did not wait for all of it */
function uploaded(content: MeasuredContent, what: string): BlobFacts {
  if (content.facts !== null) return content.facts;
  throw new OciError("TRANSPORT", `${what}: the registry answered before it had all of the content`, {
    details: { sentBytes: content.size },
    hint: "the registry, or a proxy in front of it, is set up wrongly",
  });
}
