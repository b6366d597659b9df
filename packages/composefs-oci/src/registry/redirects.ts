import { OciError } from "../errors.ts";
import type { Connections } from "./connections.ts";
import { type HttpRequest, type HttpResponse, sendHttp } from "./http-request.ts";
import { shownUrl } from "./response-error.ts";

/** More than any registry needs on the way to its storage. */
const MAX_REDIRECTS = 5;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Sends a request and, if it only asks for something, follows the answer to other places. Credentials stay with the
 * origin they were meant for.
 *
 * @param plain whether a way may lead through plain HTTP
 * @throws OciError `TRANSPORT` too many redirects, or one that leads nowhere; as {@link sendHttp}
 */
export async function sendFollowing(
  connections: Connections,
  request: HttpRequest,
  plain: boolean,
): Promise<HttpResponse> {
  let { url, headers } = request;
  for (let hops = 0; ; hops++) {
    const response = await sendHttp(connections, { ...request, url, headers });
    const { location } = response.headers;
    const follows = REDIRECTS.has(response.status) && (request.method === "GET" || request.method === "HEAD");
    if (!follows || location === undefined) return response;
    response.discard();
    if (hops === MAX_REDIRECTS) throw badRedirect(request.url, `more than ${MAX_REDIRECTS} redirects`);
    const next = resolveLocation(location, url, plain);
    if (next.origin !== url.origin) {
      const { authorization, ...others } = headers;
      headers = others;
    }
    url = next;
  }
}

/**
 * The place that a `Location` header names.
 *
 * @throws OciError `TRANSPORT` no URL, or one that leaves encryption
 */
export function resolveLocation(location: string, from: URL, plain: boolean): URL {
  if (!URL.canParse(location, from.href)) throw badRedirect(from, "its Location is no URL");
  const url = new URL(location, from);
  url.username = url.password = url.hash = "";
  if (url.protocol === "https:" || (url.protocol === "http:" && (plain || from.protocol === "http:"))) return url;
  throw badRedirect(
    from,
    `it leads to ${url.protocol}//`,
    "a registry behind a proxy with TLS must be told so (X-Forwarded-Proto)",
  );
}

function badRedirect(url: URL, problem: string, hint?: string): OciError {
  return new OciError("TRANSPORT", `${shownUrl(url)}: ${problem}`, {
    details: { host: url.host, url: shownUrl(url) },
    hint: hint ?? "the registry, or a proxy in front of it, is set up wrongly",
  });
}
