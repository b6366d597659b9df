import type { IncomingHttpHeaders } from "node:http";
import { OciError } from "../errors.ts";
import { connectionError, mayPass } from "./connection-error.ts";
import { readLimited } from "./limited-body.ts";
import type { RegistryClient } from "./registry-client.ts";

/** The size up to which registries take manifests, by the distribution specification. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024;

/** A document to read whole. */
export interface DocumentRequest {
  readonly path: string | URL;
  /** For messages. */
  readonly what: string;
  /** Media types. */
  readonly accept: string;
}

/** A document of a registry. */
export interface RegistryDocument {
  readonly bytes: Uint8Array;
  readonly headers: IncomingHttpHeaders;
  /** What gave it. */
  readonly url: URL;
}

/**
 * Reads a document of at most {@link MAX_MANIFEST_BYTES}, again if the connection breaks off.
 *
 * @throws OciError `SOURCE_NOT_FOUND`; `MANIFEST_INVALID` too large; `AUTH_FAILED`; `TRANSPORT`
 */
export async function readRegistryDocument(
  client: RegistryClient,
  { path, what, accept }: DocumentRequest,
  signal: AbortSignal | undefined,
): Promise<RegistryDocument> {
  const sent = { accept, "accept-encoding": "identity" };
  for (let n = 1; ; n++) {
    const response = await client.request({ method: "GET", path, headers: sent, expect: [200], what, signal });
    const { headers, url } = response;
    let failure: OciError;
    try {
      const { bytes, cut } = await readLimited(response.body, MAX_MANIFEST_BYTES);
      if (cut) throw tooLarge(`${client.name}: ${what}`);
      return { bytes, headers, url };
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      failure = connectionError(error, `${client.name}: ${what}`, url);
      if (n >= client.timing.attempts || !mayPass(failure)) throw failure;
    }
    await client.pause(n, failure, signal);
  }
}

function tooLarge(what: string): OciError {
  return new OciError("MANIFEST_INVALID", `${what}: more than ${MAX_MANIFEST_BYTES} bytes`, {
    details: { limit: MAX_MANIFEST_BYTES },
    hint: "registries take no larger ones; this is something else",
  });
}
