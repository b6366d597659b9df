import { OciError } from "../errors.ts";
import type { Credentials } from "./auth-file.ts";
import type { Challenge } from "./challenge.ts";

/** What a token service is asked. */
export interface TokenRequest {
  readonly realm: URL;
  readonly service: string | null;
  readonly scopes: readonly string[];
}

/** A token for `Authorization: Bearer`. */
export interface Token {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
}

/** A request to a token service as HTTP. */
export interface TokenHttp {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
}

/** Lifetime of tokens that tell none, as docker's specification has it. */
const DEFAULT_LIFETIME_S = 60;

/**
 * Reads a bearer challenge; the scope it names is asked for as well as the one wanted, unless it is about the same
 * repository.
 *
 * @param what begins messages
 * @throws OciError `TRANSPORT` a challenge without a usable realm
 */
export function tokenRequest(challenge: Challenge, scope: string, what: string): TokenRequest {
  const realm = challenge.parameters.get("realm") ?? "";
  if (!URL.canParse(realm)) {
    throw new OciError("TRANSPORT", `${what}: the registry names no token service to ask`, {
      details: { challenge: challenge.scheme },
      hint: "the registry's authentication is set up wrongly",
    });
  }
  const named = challenge.parameters.get("scope") ?? "";
  const resource = scope.slice(0, scope.lastIndexOf(":") + 1);
  const scopes = named === "" || named.startsWith(resource) ? [scope] : [scope, named];
  return { realm: new URL(realm), service: challenge.parameters.get("service") ?? null, scopes };
}

/** The request as HTTP: an identity token is exchanged by POST (OAuth 2), all else by GET. */
export function tokenHttp({ realm, service, scopes }: TokenRequest, credentials: Credentials | null): TokenHttp {
  const url = new URL(realm);
  url.username = url.password = "";
  if (credentials?.kind === "identity-token") {
    const form = new URLSearchParams({ grant_type: "refresh_token", refresh_token: credentials.token });
    form.set("client_id", "composefs");
    form.set("scope", scopes.join(" "));
    if (service !== null) form.set("service", service);
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return { method: "POST", url, headers, body: Buffer.from(form.toString()) };
  }
  if (service !== null) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (credentials !== null) url.searchParams.set("account", credentials.user);
  const authorization = credentials === null ? null : basicHeader(credentials);
  return { method: "GET", url, headers: authorization === null ? {} : { authorization }, body: undefined };
}

/** The `Authorization` header of a password; null where there is none. */
export function basicHeader(credentials: Credentials): string | null {
  if (credentials.kind !== "password") return null;
  return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString("base64")}`;
}

/** Reads a token service's answer. @throws OciError `TRANSPORT` no token in it */
export function parseToken(bytes: Uint8Array, nowMs: number, what: string): Token {
  const answer = parseAnswer(bytes);
  const value = answer?.token || answer?.access_token;
  // It goes into a header.
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value)) {
    throw new OciError("TRANSPORT", `${what}: the token service's answer has no token`, {
      hint: "the registry's authentication is set up wrongly",
    });
  }
  const lifetime = answer?.expires_in;
  const seconds = typeof lifetime === "number" && lifetime > 0 ? lifetime : DEFAULT_LIFETIME_S;
  return { value, expiresAtMs: nowMs + seconds * 1000 };
}

function parseAnswer(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as Record<string, unknown> | null;
  } catch {
    // The parser's message would quote the answer, which may hold a token.
    return null;
  }
}
