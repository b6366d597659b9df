import type { ObjectId, Splitstream, SplitstreamPart } from "@composefs/core";
import { TarParser } from "@composefs/tar-header";
import type { OciDigest } from "../digest.ts";
import { inLayer } from "../layer/layer-errors.ts";
import { EntryBuilder, type LayerEntry, misplaced } from "./entry-builder.ts";

/**
 * The entries of a layer's splitstream in tar order. Objects are not read: a file above the inline limit is its object
 * and the size its header gives. Nothing yielded holds on to the stream's buffers.
 *
 * @throws OciError `LAYER_UNSUPPORTED` an entry no tree can have, or content inline that belongs in an object or the other
 *   way round; `TAR_MALFORMED` and the other codes of a tar; ComposefsError `STREAM_CORRUPT`
 * @see oci.md §4.2
 */
export function* layerEntries(stream: Splitstream, diffId: OciDigest): Generator<LayerEntry, void, undefined> {
  const reader = new LayerEntryReader(diffId);
  for (const part of stream.parts("passing")) {
    const entries: LayerEntry[] = [];
    try {
      reader.push(part, entries);
    } finally {
      yield* entries;
    }
  }
  reader.finish();
}

/** {@link layerEntries} for parts that come one by one. Of no use after an error. */
export class LayerEntryReader {
  readonly #diffId: OciDigest;
  readonly #parser = new TarParser();
  readonly #builder: EntryBuilder;

  constructor(diffId: OciDigest) {
    this.#diffId = diffId;
    this.#builder = new EntryBuilder(diffId);
  }

  /**
   * Takes the next part, whose bytes may change afterwards, and adds to `entries` those that are complete with it.
   *
   * @throws as above; the entries before the one at fault are added
   */
  push(part: SplitstreamPart, entries: LayerEntry[]): void {
    try {
      if ("object" in part) this.#takeObject(part.object, entries);
      else for (const event of this.#parser.push(part.inline)) this.#builder.takeEvent(event, entries);
    } catch (error) {
      throw inLayer(error, this.#diffId);
    }
  }

  /** There are no more parts. @throws OciError `TAR_MALFORMED` the tar is cut off */
  finish(): void {
    try {
      this.#parser.finish();
    } catch (error) {
      throw inLayer(error, this.#diffId);
    }
  }

  #takeObject(id: ObjectId, entries: LayerEntry[]): void {
    const { objectBytes } = this.#builder;
    if (objectBytes === 0 || this.#parser.remaining !== objectBytes) {
      throw misplaced(this.#diffId, this.#parser.offset, `object ${id} stands where no file of its size begins`);
    }
    this.#parser.skip(objectBytes);
    this.#builder.takeObject(id, entries);
  }
}
