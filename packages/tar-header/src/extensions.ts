import type { EntryExtensions } from "./entry.ts";
import { TarHeaderError } from "./errors.ts";
import type { TarHeader } from "./header.ts";

/** Bytes of extension data that may precede one entry, unless told otherwise: 1 MiB. */
export const DEFAULT_MAX_EXTENSION_BYTES: number = 1024 * 1024;

/** The slot an extension entry fills. */
export type ExtensionKind = "pax" | "longName" | "longLink";

const LABELS: Readonly<Record<ExtensionKind, string>> = {
  pax: "PAX extended header",
  longName: "GNU long name",
  longLink: "GNU long link",
};

/** Slot of an extension entry, or null for every other entry. In `v7` blocks the letters have no meaning. */
export function extensionKind(header: TarHeader): ExtensionKind | null {
  if (header.format === "v7") {
    return null;
  }
  switch (header.type) {
    case "pax-local":
      return "pax";
    case "gnu-long-name":
      return "longName";
    case "gnu-long-link":
      return "longLink";
    default:
      return null;
  }
}

/**
 * Extension data waiting for its entry: at most one of each kind, so at most three, and bounded in bytes. Data read
 * as views of a chunk must be detached before the chunk goes back to its owner.
 */
export class PendingExtensions implements EntryExtensions {
  pax: Uint8Array | null = null;
  longName: Uint8Array | null = null;
  longLink: Uint8Array | null = null;
  #bytes = 0;
  #attached = false;

  /**
   * Takes note of an extension entry before its data is read.
   *
   * @throws TarHeaderError `TAR_MALFORMED`: a second one of its kind; `TAR_LIMIT`: too many bytes together
   */
  announce(kind: ExtensionKind, size: number, limit: number): void {
    if (this[kind] !== null) {
      throw new TarHeaderError("TAR_MALFORMED", `duplicate ${LABELS[kind]} before one entry`, { details: { kind } });
    }
    this.#bytes += size;
    checkExtensionLimit(this.#bytes, limit);
  }

  /** Keeps an extension's data; of GNU texts one trailing NUL is dropped. */
  set(kind: ExtensionKind, data: Uint8Array): void {
    this[kind] = kind !== "pax" && data[data.length - 1] === 0 ? data.subarray(0, data.length - 1) : data;
    this.#attached = true;
  }

  /** Copies data that may still be a view of a chunk. */
  detach(): void {
    if (this.#attached) {
      this.pax = this.pax?.slice() ?? null;
      this.longName = this.longName?.slice() ?? null;
      this.longLink = this.longLink?.slice() ?? null;
      this.#attached = false;
    }
  }
}

/** @throws TarHeaderError `TAR_LIMIT` when `bytes` of extension data are more than `limit` */
export function checkExtensionLimit(bytes: number, limit: number): void {
  if (bytes > limit) {
    throw new TarHeaderError("TAR_LIMIT", `extension data of one entry: ${bytes} bytes, limit ${limit}`, {
      details: { bytes, limit },
    });
  }
}
