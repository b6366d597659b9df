import type { TarEntry } from "./entry.ts";
import { TarHeaderError } from "./errors.ts";
import { DEFAULT_MAX_EXTENSION_BYTES } from "./extensions.ts";
import { BLOCK_SIZE, paddingAfter } from "./format.ts";
import { ImportRules } from "./import-rules.ts";
import { PieceJoiner } from "./piece-joiner.ts";

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
type State = "header" | "extension" | "global" | "extensionPadding" | "data" | "dataPadding" | "trailer";

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
  readonly #rules: ImportRules;
  readonly #joiner: PieceJoiner = new PieceJoiner();
  #state: State = "header";
  #offset = 0;
  /** Bytes left of the header, data or padding at hand. */
  #left: number = BLOCK_SIZE;
  /** Size of the padding after it. */
  #padding = 0;
  #failure: TarHeaderError | null = null;

  constructor(options: TarParserOptions = {}) {
    this.#rules = new ImportRules(options.maxExtensionBytes ?? DEFAULT_MAX_EXTENSION_BYTES);
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
      if (error instanceof TarHeaderError) {
        // Only whole header blocks are at fault here.
        this.#failure = this.#rules.locate(error, this.#offset - BLOCK_SIZE, false);
        throw this.#failure;
      }
      throw error;
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
      this.#take(length);
      this.#leaveIfComplete();
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
      this.#failure = this.#rules.locate(
        new TarHeaderError("TAR_MALFORMED", `unexpected end of the archive: ${missing}`, { details: { missing } }),
        this.#offset,
        this.#state === "data" || this.#state === "dataPadding",
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
      if (this.#state === "trailer") {
        this.#offset += end - position;
        break;
      }
      const start = position;
      position += this.#take(end - position);
      if (this.#state === "header") {
        const entry = this.#readHeader(chunk.subarray(start, position));
        if (entry !== null) {
          events.push({ type: "raw", bytes: chunk.subarray(rawStart, position) }, { type: "entry", entry });
          rawStart = position;
        }
        continue;
      }
      if (this.#state === "data") {
        if (start > rawStart) {
          events.push({ type: "raw", bytes: chunk.subarray(rawStart, start) });
        }
        events.push({ type: "data", bytes: chunk.subarray(start, position), remaining: this.#left });
        rawStart = position;
      } else if (this.#state === "extension") {
        const data = this.#joiner.add(chunk.subarray(start, position), this.#rules.dataSize);
        if (data !== null) {
          this.#rules.acceptExtension(data);
        }
      }
      this.#leaveIfComplete();
    }
    if (end > rawStart) {
      events.push({ type: "raw", bytes: chunk.subarray(rawStart, end) });
    }
    this.#rules.detach();
    return events;
  }

  /** Counts bytes of what is at hand, at most `available`; how many there are. */
  #take(available: number): number {
    const length = Math.min(this.#left, available);
    this.#offset += length;
    this.#left -= length;
    return length;
  }

  /** Acts on a piece of a header; the entry when it completes that of one. */
  #readHeader(piece: Uint8Array): TarEntry | null {
    const block = this.#joiner.add(piece, BLOCK_SIZE);
    if (block === null) {
      return null;
    }
    const meaning = this.#rules.acceptBlock(block, this.#offset - BLOCK_SIZE);
    switch (meaning) {
      case "zero":
        this.#enter("header", BLOCK_SIZE);
        return null;
      case "end":
        this.#state = "trailer";
        return null;
      case "extension":
      case "global":
        this.#enter(meaning, this.#rules.dataSize);
        return null;
      default:
        this.#enter("data", meaning.size);
        return meaning;
    }
  }

  #enter(state: State, size: number): void {
    this.#state = state;
    this.#left = size;
    this.#padding = paddingAfter(size);
    this.#leaveIfComplete();
  }

  /** Goes on to the padding and the next header once all bytes at hand are taken. */
  #leaveIfComplete(): void {
    if (this.#left > 0) {
      return;
    }
    if (this.#padding === 0) {
      this.#state = "header";
      this.#left = BLOCK_SIZE;
      return;
    }
    this.#state = this.#state === "data" ? "dataPadding" : "extensionPadding";
    this.#left = this.#padding;
    this.#padding = 0;
  }

  #missing(): string | null {
    switch (this.#state) {
      case "data":
        return `${this.#left} bytes of content`;
      case "extensionPadding":
      case "dataPadding":
        return `${this.#left} bytes of padding`;
      case "extension":
      case "global":
        return `${this.#left} bytes of an extension entry`;
      case "trailer":
        return null;
      case "header":
        return this.#left < BLOCK_SIZE ? `${this.#left} bytes of a header` : this.#rules.missing();
    }
  }
}
