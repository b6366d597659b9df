import { displayPath } from "./display-path.ts";
import { resolveEntry, type TarEntry } from "./entry.ts";
import { TarHeaderError } from "./errors.ts";
import {
  checkExtensionLimit,
  DEFAULT_MAX_EXTENSION_BYTES,
  type ExtensionKind,
  extensionKind,
  PendingExtensions,
} from "./extensions.ts";
import { BLOCK_SIZE, DEVMAJOR, DEVMINOR, paddingAfter } from "./format.ts";
import { parseHeaderBlock, type TarHeader } from "./header.ts";
import { isBase256 } from "./numeric-field.ts";

/**
 * What a {@link TarParser} found, in archive order. The bytes of all `raw` and `data` events, one after the other,
 * are the input.
 *
 * - `raw`: bytes that are no content: headers, extension entries, padding, zero blocks and all that follows the end.
 *   Neighbours come as one event where a chunk holds them together.
 * - `entry`: the header of an entry is complete; its bytes were in the `raw` events before.
 * - `data`: the next content bytes of the last entry; `remaining` more are to come, 0 with the last piece. An entry of
 *   size 0 has none.
 */
export type TarEvent =
  | { readonly type: "raw"; readonly bytes: Uint8Array }
  | { readonly type: "entry"; readonly entry: TarEntry }
  | { readonly type: "data"; readonly bytes: Uint8Array; readonly remaining: number };

/** Bounds of a {@link TarParser}. */
export interface TarParserOptions {
  /** Bytes of extension data before one entry, and of one global header; default 1 MiB. */
  readonly maxExtensionBytes?: number;
}

/** What the bytes at the current place belong to. */
type State = "header" | "extension" | "global" | "data" | "padding" | "trailer";

/**
 * Splits a tar into content and everything else, under any chunking. Nothing but an incomplete header block and
 * extension data is held; all bytes in events are views of the pushed chunk where they can be.
 *
 * The rules are those of a layer import (oci.md §2.2-2.5): PAX sizes govern every type, sparse files and empty paths
 * are refused, two zero blocks end the archive and whatever follows them is kept. Base-256 device numbers and signed
 * checksums, which `parseHeaderBlock` takes, are refused here (oci.md §11.9).
 *
 * Once a call has thrown, all further calls throw the same error. Events found before an error in the same chunk are
 * lost with it.
 */
export class TarParser {
  readonly #limit: number;
  #state: State = "header";
  #offset = 0;
  /** Bytes left of the extension, global header, content or padding at hand. */
  #left = 0;
  /** Size of the padding after it. */
  #padding = 0;
  /** Start of a header block that was cut by the end of a chunk. */
  #partial: Uint8Array = new Uint8Array(BLOCK_SIZE);
  #partialLength = 0;
  #zeroBlockSeen = false;
  #pending: PendingExtensions | null = null;
  #extensionKind: ExtensionKind = "pax";
  /** Buffer of extension data that was cut by the end of a chunk. */
  #extensionData: Uint8Array | null = null;
  /** Offset of the header being looked at, or last looked at. */
  #headerOffset = 0;
  /** Path of the last entry, for errors; a view of the chunk at hand until the push ends. */
  #path: Uint8Array | null = null;
  #pathAttached = false;
  /** Header of an entry that is not resolved yet: names it in errors. */
  #candidate: TarHeader | null = null;
  #failure: TarHeaderError | null = null;

  constructor(options: TarParserOptions = {}) {
    this.#limit = options.maxExtensionBytes ?? DEFAULT_MAX_EXTENSION_BYTES;
  }

  /** Bytes of the archive taken so far, skipped ones included. */
  get offset(): number {
    return this.#offset;
  }

  /** Content bytes of the current entry still to come; 0 outside of content. */
  get remaining(): number {
    return this.#state === "data" ? this.#left : 0;
  }

  /**
   * Takes the next bytes of the archive, all of them.
   *
   * @param chunk - of any length; views of it are in the events, so it must not be changed while they are used
   * @throws TarHeaderError any code but `INSUFFICIENT_DATA`; `details.offset` is that of the block at fault
   */
  push(chunk: Uint8Array): TarEvent[] {
    if (this.#failure !== null) {
      throw this.#failure;
    }
    try {
      return this.#read(chunk);
    } catch (error) {
      throw this.#locate(error);
    }
  }

  /**
   * Passes over content that does not come through `push`, such as an object read elsewhere.
   *
   * @param length - bytes, at most {@link TarParser.remaining}
   * @throws RangeError when that much content is not expected here
   */
  skip(length: number): void {
    if (this.#failure !== null) {
      throw this.#failure;
    }
    if (!Number.isSafeInteger(length) || length < 0 || length > this.remaining) {
      throw new RangeError(
        `skip of ${length} bytes: at offset ${this.#offset} ${this.remaining} bytes of content remain`,
      );
    }
    if (length > 0) {
      this.#advance(length);
    }
  }

  /**
   * Tells that the archive has no more bytes.
   *
   * @throws TarHeaderError `TAR_MALFORMED` when something is missing: `details.missing` says what
   */
  finish(): void {
    if (this.#failure !== null) {
      throw this.#failure;
    }
    const missing = this.#missing();
    if (missing !== null) {
      this.#failure = this.#located(
        new TarHeaderError("TAR_MALFORMED", `unexpected end of the archive: ${missing}`, { details: { missing } }),
        this.#offset,
        this.#state === "data" || this.#state === "padding",
      );
      throw this.#failure;
    }
  }

  #read(chunk: Uint8Array): TarEvent[] {
    const events: TarEvent[] = [];
    const end = chunk.length;
    let position = 0;
    /** Start of the bytes that no event holds yet; content never waits. */
    let rawStart = 0;
    while (position < end) {
      if (this.#state === "header") {
        if (this.#partialLength === 0) {
          this.#headerOffset = this.#offset;
        }
        const taken = Math.min(BLOCK_SIZE - this.#partialLength, end - position);
        const piece = chunk.subarray(position, position + taken);
        position += taken;
        this.#offset += taken;
        const block = taken === BLOCK_SIZE ? piece : this.#joinHeader(piece);
        const entry = block === null ? null : this.#handleBlock(block);
        if (entry !== null) {
          events.push({ type: "raw", bytes: chunk.subarray(rawStart, position) }, { type: "entry", entry });
          rawStart = position;
        }
        continue;
      }
      if (this.#state === "trailer") {
        this.#offset += end - position;
        position = end;
        continue;
      }
      const taken = Math.min(this.#left, end - position);
      const start = position;
      position += taken;
      if (this.#state === "data") {
        if (start > rawStart) {
          events.push({ type: "raw", bytes: chunk.subarray(rawStart, start) });
        }
        events.push({ type: "data", bytes: chunk.subarray(start, position), remaining: this.#left - taken });
        rawStart = position;
      } else if (this.#state === "extension") {
        this.#collectExtension(chunk, start, position);
      }
      this.#advance(taken);
    }
    if (end > rawStart) {
      events.push({ type: "raw", bytes: chunk.subarray(rawStart, end) });
    }
    this.#detach();
    return events;
  }

  /** Lets go of the chunk, which its owner may now fill anew. */
  #detach(): void {
    this.#pending?.detach();
    if (this.#pathAttached) {
      this.#path = this.#path?.slice() ?? null;
      this.#pathAttached = false;
    }
  }

  /** Adds to a header block in pieces; the block when it is complete. */
  #joinHeader(piece: Uint8Array): Uint8Array | null {
    this.#partial.set(piece, this.#partialLength);
    this.#partialLength += piece.length;
    if (this.#partialLength < BLOCK_SIZE) {
      return null;
    }
    // Headers keep their block, so the next one needs another.
    const block = this.#partial;
    this.#partial = new Uint8Array(BLOCK_SIZE);
    this.#partialLength = 0;
    return block;
  }

  /** Acts on a whole block in place of a header; the entry when it is that of one. */
  #handleBlock(block: Uint8Array): TarEntry | null {
    const header = parseHeaderBlock(block);
    if (header.end) {
      if (!this.#zeroBlockSeen) {
        this.#zeroBlockSeen = true;
        return null;
      }
      this.#checkNothingPending();
      this.#state = "trailer";
      return null;
    }
    this.#zeroBlockSeen = false;
    refuseForImport(block, header);
    const kind = extensionKind(header);
    if (kind !== null) {
      this.#pending ??= new PendingExtensions();
      this.#pending.announce(kind, header.size, this.#limit);
      this.#extensionKind = kind;
      this.#enter("extension", header.size);
      if (header.size === 0) {
        this.#pending.set(kind, new Uint8Array(0), false);
      }
      return null;
    }
    if (header.type === "pax-global" && header.format !== "v7") {
      checkExtensionLimit(header.size, this.#limit);
      // The reference forgets what is pending here; stored trees depend on it.
      this.#pending = null;
      this.#enter("global", header.size);
      return null;
    }
    this.#candidate = header;
    if (header.type === "gnu-sparse") {
      throw new TarHeaderError("TAR_MALFORMED", "sparse tar entries are not supported");
    }
    const entry = resolveEntry(header, this.#pending, this.#headerOffset);
    this.#pending = null;
    this.#candidate = null;
    this.#path = entry.path;
    this.#pathAttached = true;
    this.#enter("data", entry.size);
    return entry;
  }

  #collectExtension(chunk: Uint8Array, start: number, end: number): void {
    const complete = end - start === this.#left;
    const piece = chunk.subarray(start, end);
    if (complete && this.#extensionData === null) {
      this.#pending?.set(this.#extensionKind, piece, true);
      return;
    }
    // Within the limit, which is small: taken at its full size at once.
    this.#extensionData ??= new Uint8Array(this.#left);
    this.#extensionData.set(piece, this.#extensionData.length - this.#left);
    if (complete) {
      this.#pending?.set(this.#extensionKind, this.#extensionData, false);
      this.#extensionData = null;
    }
  }

  /** Starts a stretch of `size` bytes and its padding. */
  #enter(state: State, size: number): void {
    this.#state = size === 0 ? "header" : state;
    this.#left = size;
    this.#padding = paddingAfter(size);
  }

  /** Takes bytes of the stretch at hand, and leaves it when it is complete. */
  #advance(length: number): void {
    this.#offset += length;
    this.#left -= length;
    if (this.#left === 0) {
      this.#left = this.#padding;
      this.#padding = 0;
      this.#state = this.#left === 0 ? "header" : "padding";
    }
  }

  #checkNothingPending(): void {
    if (this.#pending !== null) {
      throw new TarHeaderError("TAR_MALFORMED", "extension entries without an entry after them");
    }
  }

  #missing(): string | null {
    switch (this.#state) {
      case "data":
        return `${this.#left} bytes of content`;
      case "padding":
        return `${this.#left} bytes of padding`;
      case "extension":
      case "global":
        return `${this.#left} bytes of an extension entry`;
      case "trailer":
        return null;
      case "header":
        if (this.#partialLength > 0) {
          return `${BLOCK_SIZE - this.#partialLength} bytes of a header`;
        }
        if (this.#zeroBlockSeen) {
          return "the second zero block";
        }
        return this.#pending === null ? null : "the entry after its extension entries";
    }
  }

  /** Gives an error of a header block its place in the archive. */
  #locate(error: unknown): unknown {
    if (!(error instanceof TarHeaderError)) {
      return error;
    }
    this.#failure = this.#located(error, this.#headerOffset, false);
    return this.#failure;
  }

  /** @param within - whether the fault lies in the last entry, not after it */
  #located(error: TarHeaderError, offset: number, within: boolean): TarHeaderError {
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
