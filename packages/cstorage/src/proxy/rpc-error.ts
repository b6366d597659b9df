import { KernelError } from "@composefs/reflink";
import { CstorageError, type CstorageErrorCode } from "../errors.ts";
import type { RpcFields } from "./rpc-message.ts";

/** Numbers of JSON-RPC and of containers-storage.md §6.4. */
export const RPC_CODES = { unknownMethod: -32601, badParams: -32602, notFound: -32000, failed: -32003 } as const;

const NOT_FOUND: ReadonlySet<unknown> = new Set(["STORE_IMAGE_NOT_FOUND", "LAYER_NOT_FOUND"]);
const MAX_TEXT = 4096;
const MAX_ERRNO = 4095;
/** Every code; the compiler misses none. */
const CODES: Readonly<Record<CstorageErrorCode, true>> = {
  STORE_NOT_FOUND: true,
  UNSUPPORTED_DRIVER: true,
  STORE_CORRUPT: true,
  STORAGE_LOCKED: true,
  PERMISSION_DENIED: true,
  STORE_IMAGE_NOT_FOUND: true,
  REF_AMBIGUOUS: true,
  REF_INVALID: true,
  LAYER_NOT_FOUND: true,
  LAYER_COUNT_MISMATCH: true,
  MANIFEST_UNSUPPORTED: true,
  TAR_SPLIT_MISSING: true,
  TAR_SPLIT_CORRUPT: true,
  FILE_NOT_FOUND: true,
  NOT_REGULAR_FILE: true,
  UNSAFE_PATH: true,
  SIZE_MISMATCH: true,
  CONTENT_CHECKSUM_MISMATCH: true,
  DIFF_ID_MISMATCH: true,
  UNSUPPORTED_ENTRY: true,
  HELPER_UNAVAILABLE: true,
  HELPER_PROTOCOL: true,
  HELPER_RPC: true,
};

/** An error as the helper reports it. Errors of this package and of the kernel arrive as what they are. */
export function encodeError(error: unknown): RpcFields {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof CstorageError) {
    const { details, hint } = error;
    const data = { type: "cstorage", code: error.code, details, hint, cause: kernelFields(error.cause) };
    return { code: rpcCode(error), message, data };
  }
  return { code: RPC_CODES.failed, message, data: kernelFields(error) };
}

function rpcCode({ code, details }: CstorageError): number {
  if (NOT_FOUND.has(code)) return RPC_CODES.notFound;
  if (code === "HELPER_PROTOCOL") return RPC_CODES.badParams;
  return code === "HELPER_RPC" && typeof details.code === "number" ? details.code : RPC_CODES.failed;
}

function kernelFields(error: unknown): object | undefined {
  if (!(error instanceof KernelError)) return undefined;
  return { type: "kernel", errno: -error.errno, syscall: error.syscall, path: error.path };
}

/** The error that {@link encodeError} was given; `HELPER_RPC` when it is none that the helper should meet. */
export function decodeError({ code, message, data }: RpcFields): CstorageError | KernelError {
  const shown = text(message) ?? "no message";
  const { type, code: name, details, hint, cause } = fields(data);
  const kernel = kernelError(fields(data));
  if (kernel !== null) return kernel;
  if (type === "cstorage" && typeof name === "string" && Object.hasOwn(CODES, name)) {
    return new CstorageError(name as CstorageErrorCode, shown, {
      details: fields(details),
      hint: text(hint),
      cause: kernelError(fields(cause)) ?? undefined,
    });
  }
  return new CstorageError("HELPER_RPC", `the helper failed: ${shown}`, { details: { code, message: shown } });
}

function kernelError({ type, errno, syscall, path }: RpcFields): KernelError | null {
  if (type !== "kernel" || !Number.isInteger(errno) || (errno as number) < 1 || (errno as number) > MAX_ERRNO) {
    return null;
  }
  return new KernelError(errno as number, text(syscall) ?? "unknown", text(path));
}

function fields(value: unknown): RpcFields {
  return typeof value === "object" && value !== null ? (value as RpcFields) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value.slice(0, MAX_TEXT) : undefined;
}
