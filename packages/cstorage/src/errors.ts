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
  | "UNSUPPORTED_ENTRY"
  | "HELPER_UNAVAILABLE"
  | "HELPER_PROTOCOL"
  | "HELPER_RPC";

/** What a {@link CstorageError} carries besides code and message. */
export interface CstorageErrorOptions {
  /** Facts for programs: paths, ids, sizes. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /** What the user can do about it. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

const DAMAGED_LAYER = "the layer in the store is damaged: `podman image rm` it and pull the image again";

/** What to do where the place of the error knows nothing better. */
const HINTS: Readonly<Partial<Record<CstorageErrorCode, string>>> = {
  STORE_CORRUPT: "restore that file, or have podman repair the store (`podman system check --repair`, podman 5)",
  REF_INVALID: "write containers-storage:NAME[:TAG], NAME@DIGEST, an image id, or [driver@graphroot+runroot]NAME",
  UNSUPPORTED_DRIVER: "only stores of the overlay driver can be read",
  LAYER_NOT_FOUND: DAMAGED_LAYER,
  LAYER_COUNT_MISMATCH: DAMAGED_LAYER,
  MANIFEST_UNSUPPORTED: "pull the image again by a newer podman, for one platform",
  TAR_SPLIT_MISSING: DAMAGED_LAYER,
  TAR_SPLIT_CORRUPT: DAMAGED_LAYER,
  FILE_NOT_FOUND: DAMAGED_LAYER,
  NOT_REGULAR_FILE: DAMAGED_LAYER,
  UNSAFE_PATH: `${DAMAGED_LAYER}; somebody may have tampered with it`,
  SIZE_MISMATCH: DAMAGED_LAYER,
  CONTENT_CHECKSUM_MISMATCH: DAMAGED_LAYER,
  DIFF_ID_MISMATCH: DAMAGED_LAYER,
  HELPER_PROTOCOL: "try again; if it goes on, read the store as root, or run the whole command in `podman unshare`",
  HELPER_RPC: "try again; if it goes on, read the store as root, or run the whole command in `podman unshare`",
  UNSUPPORTED_ENTRY: "this store cannot give the layer back as it was; pull the image into one without such layers",
};

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
    const hint = options.hint ?? HINTS[code];
    if (hint !== undefined) this.hint = hint;
  }

  /** The error as plain data, without stack and cause. */
  toJSON(): { name: string; code: string; message: string; details: Readonly<Record<string, unknown>>; hint?: string } {
    const { name, code, message, details } = this;
    return { name, code, message, details, ...(this.hint === undefined ? {} : { hint: this.hint }) };
  }
}
