/** Codes of {@link ComposefsError}; docs/errors.md says what each means. */
export type ErrorCode =
  | "REPO_NOT_FOUND"
  | "REPO_METADATA_MISSING"
  | "REPO_METADATA_INVALID"
  | "REPO_UNSUPPORTED"
  | "REPO_OLD_FORMAT"
  | "REPO_CONFIG_MISMATCH"
  | "REPO_READ_ONLY"
  | "REPO_LOCKED"
  | "REPO_CORRUPT"
  | "VERITY_UNSUPPORTED"
  | "VERITY_REQUIRED"
  | "REF_INVALID"
  | "REF_NOT_FOUND"
  | "REF_AMBIGUOUS"
  | "IMAGE_NOT_FOUND"
  | "STREAM_NOT_FOUND"
  | "STREAM_CORRUPT"
  | "OBJECT_NOT_FOUND"
  | "OBJECT_CORRUPT"
  | "SYNC_FAILED"
  | "DIGEST_INVALID"
  | "DUMPFILE_INVALID"
  | "DUMPFILE_UNREPRESENTABLE"
  | "TREE_INVALID"
  | "PATH_INVALID"
  | "PATH_NOT_FOUND"
  | "ZSTD_VERSION"
  | "IMAGE_INVALID"
  | "IMAGE_UNREPRESENTABLE"
  | "FILE_CHANGED"
  | "MOUNT_FAILED"
  | "BOOT_ENTRY_INVALID"
  | "SELINUX_POLICY_INVALID"
  | "SELINUX_UNSUPPORTED"
  | "VERITY_MISMATCH";

/** What an error carries besides its message. */
export interface ErrorExtras {
  /** Machine-readable facts: paths, offsets, expected and found values. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** What the user can do. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** The one error class of this package; failed system calls keep their own `KernelError`. */
export class ComposefsError extends Error {
  override readonly name = "ComposefsError";
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>>;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.code = code;
    this.details = extras.details ?? {};
    this.hint = extras.hint;
  }

  /** Plain object for logs and JSON output. */
  toJSON(): object {
    return { name: this.name, code: this.code, message: this.message, details: this.details, hint: this.hint ?? null };
  }
}
