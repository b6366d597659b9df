import { OciError } from "../errors.ts";
import { shownUrl } from "./response-error.ts";

/** Certificate problems, as OpenSSL and Node name them. */
const CERTIFICATE =
  /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)/;
/** Errors that the next attempt would meet again. */
const FINAL = /^(?:HPE_|ERR_SSL_|EPROTO$|EPROXY$|ERR_TLS_|ERR_INVALID_)/;
/** Errors of a place that is not there at all. */
const ABSENT = new Set(["ECONNREFUSED", "ENOTFOUND", "EHOSTUNREACH", "ENETUNREACH"]);

/** Whether another attempt may help. @param known whether the place answered before */
export function isPassing(error: unknown, known: boolean): boolean {
  const code = codeOf(error);
  if (code === null || CERTIFICATE.test(code) || FINAL.test(code)) return false;
  return known || !ABSENT.has(code);
}

/** Answers of a registry that is busy or has a passing fault. */
const PASSING_STATUS = new Set<unknown>([408, 429, 500, 502, 503, 504]);

/** Whether an answer says that the same request may succeed later. */
export function isPassingStatus(status: number): boolean {
  return PASSING_STATUS.has(status);
}

/** Whether a request that failed with `error` may succeed later; the place answered before. */
export function mayPass(error: unknown): error is OciError {
  if (!(error instanceof OciError) || error.code !== "TRANSPORT") return false;
  const { status } = error.details;
  return status === undefined ? error.cause !== undefined && isPassing(error.cause, true) : PASSING_STATUS.has(status);
}

/** The coded error for a request that got no answer, or not all of it; `what` begins the message. */
export function connectionError(error: unknown, what: string, url: URL): OciError {
  if (error instanceof OciError) return error;
  const code = codeOf(error);
  const message = (error as Error).message || (code ?? "no answer");
  return new OciError("TRANSPORT", `${what}: ${shownUrl(url)}: ${message}`, {
    details: { host: url.host, url: shownUrl(url), ...(code === null ? {} : { errno: code }) },
    hint: hintFor(code, url),
    cause: error,
  });
}

function codeOf(error: unknown): string | null {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string") return code;
  // All addresses of a host were tried.
  const inner = error instanceof AggregateError ? error.errors : [];
  return inner.length > 0 ? codeOf(inner[0]) : null;
}

function hintFor(code: string | null, { host, protocol }: URL): string | undefined {
  if (code === null) return undefined;
  const insecure = `\`insecure = true\` for ${host} in registries.conf`;
  if (CERTIFICATE.test(code)) {
    return `put the authority of its certificate into /etc/containers/certs.d/${host}/ca.crt, or set ${insecure}`;
  }
  if ((code === "EPROTO" || code.startsWith("ERR_SSL_")) && protocol === "https:") {
    return `if the registry speaks plain HTTP, set ${insecure}`;
  }
  if (code === "EPROXY") return "see https_proxy and no_proxy in the environment";
  if (code === "ENOTFOUND") return "check the registry's name, and the network";
  if (code === "ECONNREFUSED") return "check the registry's name and port, and whether it runs";
  return "check the network, and try again";
}
