import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import type { BlobFacts, OpenContent } from "../sink/blob-sink.ts";
import { MeasuredContent } from "../sink/measured-content.ts";
import { mayPass } from "./connection-error.ts";
import type { HttpResponse } from "./http-request.ts";
import { statedDigest } from "./manifest-reader.ts";
import { resolveLocation } from "./redirects.ts";
import type { RegistryClient } from "./registry-client.ts";

/** A failed upload must not wait for long to tell so. */
const MAX_FAREWELL_MS = 5_000;

/** What every step of an upload needs. */
interface Upload {
  readonly client: RegistryClient;
  /** The blob, for messages. */
  readonly what: string;
  readonly signal: AbortSignal | undefined;
}

/** A session that has all of the content. */
interface FilledSession {
  readonly session: URL;
  readonly facts: BlobFacts;
}

/**
 * Uploads a blob: a session, its content as one stream, then its digest. Content that is not as expected, or that
 * breaks off, gets no name: the session is given up. After a passing fault of the registry or the network the content
 * is sent anew, in another session: how much of it one has taken by then, registries do not tell reliably.
 *
 * @throws OciError `BLOB_DIGEST_MISMATCH`; `AUTH_FAILED`; `TRANSPORT`; what reading the content threw
 */
export async function uploadBlob(
  client: RegistryClient,
  open: OpenContent,
  expected: BlobFacts | null,
  signal: AbortSignal | undefined,
): Promise<BlobFacts> {
  const upload = { client, what: `blob ${expected?.digest ?? "(new)"}`, signal };
  const { session, facts } = await fillSession(upload, open, expected);
  try {
    await commit(upload, session, facts);
  } catch (error) {
    await giveUp(upload, session);
    throw error;
  }
  return facts;
}

async function fillSession(upload: Upload, open: OpenContent, expected: BlobFacts | null): Promise<FilledSession> {
  const { client, what, signal } = upload;
  for (let n = 1; ; n++) {
    let session = await beginSession(upload);
    let failure: OciError;
    const measured = new MeasuredContent(open(), expected, `${client.name}: ${what}`);
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
      session = sessionUrl(upload, sent, session);
      return { session, facts: uploaded(upload, measured) };
    } catch (error) {
      await giveUp(upload, session);
      if (n >= client.timing.attempts || !mayPass(error)) throw error;
      failure = error;
    }
    await client.pause(n, failure, signal);
  }
}

async function beginSession(upload: Upload): Promise<URL> {
  const { client, what, signal } = upload;
  const headers = { "content-length": "0" };
  const request = { method: "POST", path: "blobs/uploads/", headers, what, signal } as const;
  const begun = await client.request({ ...request, expect: [202] });
  begun.discard();
  return sessionUrl(upload, begun);
}

async function commit({ client, what, signal }: Upload, session: URL, { digest }: BlobFacts): Promise<void> {
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
async function giveUp({ client, what }: Upload, session: URL): Promise<void> {
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

function sessionUrl({ client, what }: Upload, { headers, url }: HttpResponse, fallback?: URL): URL {
  const { location } = headers;
  if (location !== undefined) return resolveLocation(location, url, client.plain);
  if (fallback !== undefined) return fallback;
  throw new OciError("TRANSPORT", `${client.name}: ${what}: the registry does not say where to upload`, {
    hint: "the registry, or a proxy in front of it, is set up wrongly",
  });
}

/** What was uploaded. @throws OciError `TRANSPORT` the registry did not wait for all of it */
function uploaded({ client, what }: Upload, content: MeasuredContent): BlobFacts {
  if (content.facts !== null) return content.facts;
  throw new OciError("TRANSPORT", `${client.name}: ${what}: the registry answered before it had all of the content`, {
    details: { sentBytes: content.size },
    hint: "the registry, or a proxy in front of it, is set up wrongly",
  });
}
