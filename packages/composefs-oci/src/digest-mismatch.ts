import type { OciDigest } from "./digest.ts";
import { OciError } from "./errors.ts";

/**
 * The error `BLOB_DIGEST_MISMATCH` for content that was read whole and has another digest.
 *
 * @param subject what was read, such as `config sha256:…`
 */
export function digestMismatch(
  subject: string,
  expected: OciDigest,
  actual: OciDigest,
  hint = "get the image from its source again",
): OciError {
  return new OciError("BLOB_DIGEST_MISMATCH", `${subject}: its content has the digest ${actual}`, {
    details: { expected, actual },
    hint,
  });
}
