import type { StoreFailure } from "@composefs/reflink";
import { CstorageError, type CstorageErrorCode } from "./errors.ts";
import type { LayerFile } from "./layer-batch.ts";

/**
 * The error for a file of a layer that a native batch could not read, in the words of the store.
 *
 * @param layer the layer's id, for the message
 * @returns null when the failure is not the source's: no space, a lost object directory, a read error
 */
export function fileFailure(
  layer: { readonly id: string },
  file: LayerFile,
  failure: StoreFailure,
): CstorageError | null {
  const path = Buffer.from(file.path).toString("utf8");
  const make = (
    code: CstorageErrorCode,
    problem: string,
    more: { details?: Readonly<Record<string, unknown>>; hint?: string } = {},
  ): CstorageError =>
    new CstorageError(code, `layer ${layer.id}: file "${path}": ${problem}`, {
      details: { layer: layer.id, path, ...more.details },
      hint: more.hint,
      cause: failure.error ?? undefined,
    });
  switch (failure.step) {
    case "open":
      return openFailure(failure.error?.code, make);
    case "metacopy":
      return make("FILE_NOT_FOUND", "only a metadata copy without content is left of it");
    case "not-regular":
      return make("NOT_REGULAR_FILE", "expected a regular file");
    case "size": {
      const details = { expected: file.size, actual: failure.actualSize };
      return make("SIZE_MISMATCH", `expected ${file.size} bytes, found ${failure.actualSize}`, { details });
    }
    case "crc":
      return make("CONTENT_CHECKSUM_MISMATCH", "its content is not what was stored (CRC-64 differs)");
    default:
      return null;
  }
}

function openFailure(
  kernelCode: string | undefined,
  make: (code: CstorageErrorCode, problem: string, more?: { hint?: string }) => CstorageError,
): CstorageError | null {
  switch (kernelCode) {
    case "ENOENT":
    case "ENOTDIR":
    case "ENAMETOOLONG":
      return make("FILE_NOT_FOUND", "not in the layer's directory, nor in those below it");
    case "EXDEV":
    case "ELOOP":
      return make("UNSAFE_PATH", "a symbolic link or mount on the way leads elsewhere");
    case "ENXIO":
    case "ENODEV":
      return make("NOT_REGULAR_FILE", "expected a regular file, found a socket or device");
    case "EACCES":
    case "EPERM":
      return make("PERMISSION_DENIED", "permission denied", {
        hint: "files of other ids need root or `podman unshare`; check the subordinate ids in /etc/subuid",
      });
    default:
      return null;
  }
}
