import { ComposefsError } from "@composefs/core/repository";
import type { TarHeaderErrorCode } from "@composefs/tar-header";

/** Codes of {@link OciError}; docs/errors.md says what each means. */
export type OciErrorCode =
  | "DIGEST_INVALID"
  | "MANIFEST_INVALID"
  | "MANIFEST_UNSUPPORTED"
  | "BLOB_DIGEST_MISMATCH"
  | "DIFF_ID_MISMATCH"
  | "LAYER_UNSUPPORTED"
  | "LAYER_COUNT_MISMATCH"
  | "LAYER_NOT_FOUND"
  | "ZERO_COPY_IMPOSSIBLE"
  | "TRANSPORT"
  | "AUTH_FAILED"
  | "SOURCE_NOT_FOUND"
  | "SOURCE_INVALID"
  | "DESTINATION_INVALID"
  | "LAYER_CORRUPT"
  | "BOOT_IMAGE_MISMATCH"
  | "BOOT_ENTRY_INVALID"
  | "IMAGE_NOT_FOUND"
  | "REF_AMBIGUOUS"
  | "REF_INVALID"
  | "REGISTRY_CONFIG_INVALID"
  | TarHeaderErrorCode;

/** What an {@link OciError} carries besides code and message. */
export interface OciErrorOptions {
  /** Facts for programs: digests, paths, sizes. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /** What the user can do about it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** Every error this package raises on its own account; those of the packages below and of the kernel pass through. */
export class OciError extends Error {
  override readonly name = "OciError";
  readonly code: OciErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;

  constructor(code: OciErrorCode, message: string, options: OciErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.hint = options.hint;
  }

  /** The error as plain data, without stack and cause. */
  toJSON(): object {
    return { name: this.name, code: this.code, message: this.message, details: this.details, hint: this.hint ?? null };
  }
}

/** The same error in other words, with more details and perhaps another hint. */
export function reworded(
  error: OciError | ComposefsError,
  message: string,
  details: Readonly<Record<string, unknown>>,
  hint: string | undefined = error.hint,
): OciError | ComposefsError {
  const options = {
    details: { ...error.details, ...details },
    cause: error.cause,
    ...(hint === undefined ? {} : { hint }),
  };
  return error instanceof OciError
    ? new OciError(error.code, message, options)
    : new ComposefsError(error.code, message, options);
}
