import { OciError, type OciErrorCode } from "../errors.ts";
import type { HttpResponse } from "./http-request.ts";
import { readLimited } from "./limited-body.ts";

/** Bytes of an error's body that are looked at. */
const MAX_BODY_BYTES = 16 * 1024;
/** Characters of what a registry says that a message repeats. */
const SHOWN_CHARS = 200;

/** What a request was for. */
export interface Purpose {
  /** Such as `docker://host/name: blob sha256:…`; begins the message. */
  readonly what: string;
  readonly host: string;
  /** Why no credentials were sent although some are configured. */
  readonly helperFailure?: Error | null | undefined;
}

/** The coded error for an answer that is none of those expected; reads its body. Never shows what was sent. */
export async function responseError(response: HttpResponse, purpose: Purpose): Promise<OciError> {
  const { status } = response;
  const said = await readErrors(response);
  const code = codeFor(status, said);
  const shown = said.length === 0 ? "" : ` (${said.map(({ code, message }) => `${code}: ${message}`).join("; ")})`;
  const { what, host, helperFailure } = purpose;
  return new OciError(code, `${what}: ${shownUrl(response.url)} answered ${status}${shown}`, {
    details: { host, status, url: shownUrl(response.url), registryCodes: said.map(({ code }) => code) },
    hint: hintFor(code, status, host, helperFailure ?? null),
    cause: helperFailure ?? undefined,
  });
}

/** A URL without user and query, which may hold secrets. */
export function shownUrl(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

interface RegistryError {
  readonly code: string;
  readonly message: string;
}

const NOT_FOUND = new Set(["NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN", "NOT_FOUND"]);

function codeFor(status: number, said: readonly RegistryError[]): OciErrorCode {
  if (status === 401 || status === 403) return "AUTH_FAILED";
  if (status === 404 || (status < 500 && said.some(({ code }) => NOT_FOUND.has(code)))) return "SOURCE_NOT_FOUND";
  return "TRANSPORT";
}

function hintFor(code: OciErrorCode, status: number, host: string, helperFailure: Error | null): string {
  if (helperFailure !== null) return `the credential helper failed: ${helperFailure.message}`;
  if (code === "AUTH_FAILED") {
    return `log in with \`podman login ${host}\`; many registries answer so for names that do not exist as well`;
  }
  if (code === "SOURCE_NOT_FOUND") return "check the name and the tag";
  if (status === 429) return "the registry limits requests: wait, or log in";
  if (status >= 500) return "the registry has a fault; try again later";
  return "the registry, or a proxy in front of it, is set up wrongly";
}

/** The errors that an answer lists, if it does so in the form of the distribution specification. */
async function readErrors(response: HttpResponse): Promise<readonly RegistryError[]> {
  try {
    const { bytes } = await readLimited(response.body, MAX_BODY_BYTES);
    const { errors } = JSON.parse(bytes.toString("utf8")) as { errors?: unknown };
    return Array.isArray(errors) ? errors.slice(0, 3).map(asError) : [];
  } catch {
    // Neither a page of a proxy nor a body that breaks off says more than the status.
    return [];
  }
}

function asError(value: unknown): RegistryError {
  const { code, message } = (value ?? {}) as Record<string, unknown>;
  return { code: plain(code), message: plain(message) };
}

/** Text from elsewhere, for a terminal. */
function plain(value: unknown): string {
  if (typeof value !== "string") return "?";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return value.slice(0, SHOWN_CHARS).replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
}
