/**
 * Machine-readable causes of a {@link TarHeaderError}.
 *
 * - `INSUFFICIENT_DATA`: fewer than 512 bytes were given for a block.
 * - `INVALID_NUMBER`: a numeric header field holds something else, or a negative number where none is allowed.
 * - `FIELD_OVERFLOW`: a number does not fit a safe integer.
 * - `CHECKSUM_MISMATCH`: the header's sum differs from the stored one.
 * - `TAR_MALFORMED`: the sequence of blocks is no tar we take: truncated, bad PAX records, sparse, empty path.
 * - `TAR_LIMIT`: more extension data than the limit.
 */
export type TarHeaderErrorCode =
  | "INSUFFICIENT_DATA"
  | "INVALID_NUMBER"
  | "FIELD_OVERFLOW"
  | "CHECKSUM_MISMATCH"
  | "TAR_MALFORMED"
  | "TAR_LIMIT";

/** What else an error may carry. */
export interface TarHeaderErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of this package. `details` of the errors of a `TarParser` hold `offset` (bytes from the start of
 * the archive) and, when known, `path` (for display: UTF-8, undecodable bytes replaced, cut when very long).
 */
export class TarHeaderError extends Error {
  readonly code: TarHeaderErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  declare readonly hint?: string;

  constructor(code: TarHeaderErrorCode, message: string, options: TarHeaderErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TarHeaderError";
    this.code = code;
    this.details = options.details ?? {};
    if (options.hint !== undefined) {
      this.hint = options.hint;
    }
  }

  /** The error as plain data, without stack and cause. */
  toJSON(): Record<string, unknown> {
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      details: this.details,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
    };
  }
}
