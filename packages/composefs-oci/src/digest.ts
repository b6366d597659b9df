import { createHash } from "node:crypto";
import { OciError } from "./errors.ts";

/** Digest of exact bytes as OCI writes it: algorithm, colon, lower-case hex. Not an fs-verity digest. */
export type OciDigest = string & { readonly __ociDigest: unique symbol };

/** Hex digits of the algorithms that are understood; an OCI digest of any other cannot be checked. */
const HEX_LENGTH: ReadonlyMap<string, number> = new Map([
  ["sha256", 64],
  ["sha384", 96],
  ["sha512", 128],
]);

/** Characters of a malformed digest that an error repeats; an image can have one of megabytes. */
const SHOWN_CHARS = 160;

/**
 * Checks the form of a digest.
 *
 * @param place where it stands, such as `config.rootfs.diff_ids[0]`, for the message
 * @throws OciError `DIGEST_INVALID`
 */
export function parseDigest(text: string, place?: string): OciDigest {
  const [, algorithm = "", hex = ""] = /^([a-z0-9]+):([0-9a-f]+)$/.exec(text) ?? [];
  const expected = HEX_LENGTH.get(algorithm);
  if (expected !== undefined && hex.length === expected) return text as OciDigest;
  const expectation = expected === undefined ? "sha256: and 64 hex digits" : `${expected} lower-case hex digits`;
  const digest = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
  const where = place === undefined ? "" : `${place}: `;
  throw new OciError("DIGEST_INVALID", `${where}'${digest}' is no digest: expected ${expectation}`, {
    details: { digest, ...(place === undefined ? {} : { place }) },
  });
}

/** Whether `text` has the form of a digest. */
export function isDigest(text: string): text is OciDigest {
  try {
    parseDigest(text);
    return true;
  } catch (error) {
    if (error instanceof OciError) return false;
    throw error;
  }
}

/** Name of a digest's algorithm. */
export function digestAlgorithm(digest: OciDigest): string {
  return digest.slice(0, digest.indexOf(":"));
}

/** Hex digits of a digest. */
export function digestHex(digest: OciDigest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/** Digest of `bytes` by the algorithm of `like`, sha256 by default. */
export function digestOf(bytes: Uint8Array, like?: OciDigest): OciDigest {
  const algorithm = like === undefined ? "sha256" : digestAlgorithm(like);
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}` as OciDigest;
}
