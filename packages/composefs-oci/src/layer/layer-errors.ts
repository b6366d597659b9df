import type { StoreFailure } from "@composefs/core";
import { storeError } from "@composefs/core/import";
import { TarHeaderError } from "@composefs/tar-header";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";

/** Bytes of a path that a message shows; a tar can have one of a mebibyte. */
const SHOWN_BYTES = 256;

/** What to call a file of a layer in messages: the path as UTF-8, cut when very long. */
export function fileOfLayer(layer: string, path: Uint8Array): string {
  const shown = Buffer.from(path.subarray(0, SHOWN_BYTES)).toString("utf8");
  return `layer ${layer}: file "${shown}${path.length > SHOWN_BYTES ? "…" : ""}"`;
}

/** An error of the tar parser as one of this package, with the layer; any other as it is. */
export function inLayer(error: unknown, diffId: OciDigest): unknown {
  if (!(error instanceof TarHeaderError)) return error;
  return new OciError(error.code, `layer ${diffId}: ${error.message}`, {
    details: { ...error.details, layer: diffId },
    hint: "the layer is no sound tar; get it from its source again",
    cause: error.cause,
  });
}

/** An error of the kernel with `subject` as its path, as for files that are stored in batches; any other as it is. */
export function storing(subject: string, error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== "KernelError") return error;
  return storeError({ step: "write", error: error as StoreFailure["error"], actualSize: 0 }, subject);
}
