/**
 * Machine-readable causes of a {@link SplitfdstreamError} (containers-storage.md §0).
 *
 * In both formats:
 * - `TRUNCATED`: the stream ends within a chunk.
 * - `INLINE_TOO_LARGE`: more than 256 MiB in one chunk.
 *
 * In splitfdstream:
 * - `INVALID_PREFIX`: a length that has no positive counterpart (−2^63).
 * - `INDEX_TOO_LARGE`: a file index of more than 32 bits.
 * - `FD_INDEX_OUT_OF_RANGE`: no such file came along.
 *
 * In splitdirfdstream:
 * - `UNKNOWN_CHUNK_TYPE`: a type byte other than 0, 1 and 2.
 * - `FILENAME_TOO_LONG`: a name of more than 4096 bytes.
 * - `INVALID_FILENAME`: a name that is empty, absolute, holds a NUL or leads upwards.
 * - `DIRFD_INDEX_OUT_OF_RANGE`: no such directory came along.
 * - `FILE_NOT_FOUND`: the directory has no file of that name.
 * - `EXTERNAL_TOO_SHORT`: the file has fewer bytes than the chunk says.
 * - `EXTERNAL_TOO_LARGE`: the chunk says more bytes than a safe integer holds.
 *
 * On a socket that carries messages with descriptors:
 * - `MESSAGE_INVALID`: the peer broke the framing, or descriptors are missing, too many or of another message.
 * - `CONNECTION_ENDED`: the peer is gone, or the socket was closed here.
 */
export type SplitfdstreamErrorCode =
  | "TRUNCATED"
  | "INLINE_TOO_LARGE"
  | "INVALID_PREFIX"
  | "INDEX_TOO_LARGE"
  | "FD_INDEX_OUT_OF_RANGE"
  | "UNKNOWN_CHUNK_TYPE"
  | "FILENAME_TOO_LONG"
  | "INVALID_FILENAME"
  | "DIRFD_INDEX_OUT_OF_RANGE"
  | "FILE_NOT_FOUND"
  | "EXTERNAL_TOO_SHORT"
  | "EXTERNAL_TOO_LARGE"
  | "MESSAGE_INVALID"
  | "CONNECTION_ENDED";

/** What else an error may carry. */
export interface SplitfdstreamErrorOptions {
  readonly details?: Readonly<Record<string, unknown>>;
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of this package. `details` of a decoder's errors hold `offset`, the start of the chunk in bytes
 * from the start of the stream.
 */
export class SplitfdstreamError extends Error {
  readonly code: SplitfdstreamErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  declare readonly hint?: string;

  constructor(code: SplitfdstreamErrorCode, message: string, options: SplitfdstreamErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SplitfdstreamError";
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
