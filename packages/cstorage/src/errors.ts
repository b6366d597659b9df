/** What went wrong with a store; containers-storage.md §0. */
export type CstorageErrorCode =
  | "STORE_NOT_FOUND"
  | "UNSUPPORTED_DRIVER"
  | "STORE_CORRUPT"
  | "STORAGE_LOCKED"
  | "PERMISSION_DENIED"
  | "STORE_IMAGE_NOT_FOUND"
  | "REF_AMBIGUOUS"
  | "REF_INVALID"
  | "LAYER_NOT_FOUND"
  | "LAYER_COUNT_MISMATCH"
  | "MANIFEST_UNSUPPORTED"
  | "TAR_SPLIT_MISSING"
  | "TAR_SPLIT_CORRUPT"
  | "FILE_NOT_FOUND"
  | "NOT_REGULAR_FILE"
  | "UNSAFE_PATH"
  | "SIZE_MISMATCH"
  | "CONTENT_CHECKSUM_MISMATCH"
  | "DIFF_ID_MISMATCH"
  | "UNSUPPORTED_ENTRY";

/** What a {@link CstorageError} carries besides code and message. */
export interface CstorageErrorOptions {
  /** Facts for programs: paths, ids, sizes. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /** What the user can do about it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** Every error this package raises on its own account. Errors of the kernel pass through as they are. */
export class CstorageError extends Error {
  override readonly name = "CstorageError";
  readonly code: CstorageErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint?: string;

  constructor(code: CstorageErrorCode, message: string, options: CstorageErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    if (options.hint !== undefined) this.hint = options.hint;
  }

  /** The error as plain data, without stack and cause. */
  toJSON(): { name: string; code: string; message: string; details: Readonly<Record<string, unknown>>; hint?: string } {
    const { name, code, message, details } = this;
    return { name, code, message, details, ...(this.hint === undefined ? {} : { hint: this.hint }) };
  }
}
