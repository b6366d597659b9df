import { displayPath } from "./display-path.ts";
import { resolveEntry, type TarEntry } from "./entry.ts";
import { TarHeaderError } from "./errors.ts";
import { checkExtensionLimit, type ExtensionKind, extensionKind, PendingExtensions } from "./extensions.ts";
import { DEVMAJOR, DEVMINOR } from "./format.ts";
import { parseHeaderBlock, type TarHeader } from "./header.ts";
import { isBase256 } from "./numeric-field.ts";

/**
 * What a block in place of a header is: a lone zero block, the second one, the header of an extension or global header
 * whose data follows, or that of an entry.
 */
export type BlockMeaning = "zero" | "end" | "extension" | "global" | TarEntry;

/**
 * What header blocks mean one after the other, by the rules of a layer import (oci.md §2.3-2.5, §11.9): which make an
 * entry together, which are refused, where the archive ends. Knows nothing of chunks and content.
 */
export class ImportRules {
  readonly #limit: number;
  #zeroBlockSeen = false;
  #pending: PendingExtensions | null = null;
  #extensionKind: ExtensionKind = "pax";
  #dataSize = 0;
  /** Path of the last entry, for errors; a view until {@link ImportRules.detach}. */
  #path: Uint8Array | null = null;
  #pathAttached = false;
  /** Header of an entry that is not resolved yet: names it in errors. */
  #candidate: TarHeader | null = null;

  /** @param limit - bytes of extension data before one entry, and of one global header */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of data after the block that was `extension` or `global`. */
  get dataSize(): number {
    return this.#dataSize;
  }

  /**
   * Takes the next block in place of a header.
   *
   * @param block - 512 bytes, a view of which the result may be
   * @param offset - of the block in the archive
   * @throws TarHeaderError any code but `INSUFFICIENT_DATA`
   */
  acceptBlock(block: Uint8Array, offset: number): BlockMeaning {
    const header = parseHeaderBlock(block);
    if (header.end) {
      return this.#acceptZeroBlock();
    }
    this.#zeroBlockSeen = false;
    refuseForImport(block, header);
    const kind = extensionKind(header);
    if (kind !== null) {
      this.#announceExtension(kind, header.size);
      return "extension";
    }
    if (header.type === "pax-global" && header.format !== "v7") {
      checkExtensionLimit(header.size, this.#limit);
      // The reference forgets what is pending here; stored trees depend on it.
      this.#pending = null;
      this.#dataSize = header.size;
      return "global";
    }
    return this.#resolve(header, offset);
  }

  /** Takes the data of the extension that came last, when it has any. */
  acceptExtension(data: Uint8Array): void {
    this.#pending?.set(this.#extensionKind, data);
  }

  /** Copies what is still a view of the chunk at hand, which its owner may now fill anew. */
  detach(): void {
    this.#pending?.detach();
    if (this.#pathAttached) {
      this.#path = this.#path?.slice() ?? null;
      this.#pathAttached = false;
    }
  }

  /** What an archive lacks that ends where a header could begin; null when it may end there. */
  missing(): string | null {
    if (this.#zeroBlockSeen) {
      return "the second zero block";
    }
    return this.#pending === null ? null : "the entry after its extension entries";
  }

  /**
   * Gives an error its place in the archive.
   *
   * @param within - whether the fault lies in the last entry, not after it
   */
  locate(error: TarHeaderError, offset: number, within: boolean): TarHeaderError {
    const path = within ? this.#path : (this.#pending?.longName ?? this.#candidate?.path ?? null);
    const after = within || this.#path === null ? null : displayPath(this.#path);
    const place = path === null ? (after === null ? "" : `, after "${after}"`) : `, entry "${displayPath(path)}"`;
    return new TarHeaderError(error.code, `${error.message} (tar offset ${offset}${place})`, {
      details: {
        ...error.details,
        offset,
        ...(path === null ? {} : { path: displayPath(path) }),
        ...(after === null ? {} : { after }),
      },
      cause: error,
    });
  }

  #acceptZeroBlock(): "zero" | "end" {
    if (!this.#zeroBlockSeen) {
      this.#zeroBlockSeen = true;
      return "zero";
    }
    if (this.#pending !== null) {
      throw new TarHeaderError("TAR_MALFORMED", "extension entries without an entry after them");
    }
    return "end";
  }

  #announceExtension(kind: ExtensionKind, size: number): void {
    this.#pending ??= new PendingExtensions();
    this.#pending.announce(kind, size, this.#limit);
    this.#extensionKind = kind;
    this.#dataSize = size;
    if (size === 0) {
      this.#pending.set(kind, new Uint8Array(0));
    }
  }

  #resolve(header: TarHeader, offset: number): TarEntry {
    this.#candidate = header;
    if (header.type === "gnu-sparse") {
      throw new TarHeaderError("TAR_MALFORMED", "sparse tar entries are not supported");
    }
    const entry = resolveEntry(header, this.#pending, offset);
    this.#pending = null;
    this.#candidate = null;
    this.#path = entry.path;
    this.#pathAttached = true;
    return entry;
  }
}

/** What the header parser takes, but a tar import refuses as the reference does. */
function refuseForImport(block: Uint8Array, header: TarHeader): void {
  if (header.checksum === "signed") {
    throw new TarHeaderError("CHECKSUM_MISMATCH", "header checksum matches as a signed sum only");
  }
  if (header.format === "v7") {
    return;
  }
  for (const field of [DEVMAJOR, DEVMINOR]) {
    if (isBase256(block, field)) {
      throw new TarHeaderError("INVALID_NUMBER", `field ${field.name}: base-256 device numbers are not supported`, {
        details: { field: field.name, fieldOffset: field.offset },
      });
    }
  }
}
