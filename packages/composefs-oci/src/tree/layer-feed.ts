import type { ObjectId, SplitstreamPart } from "@composefs/core";
import type { TarEvent } from "@composefs/tar-header";
import type { OciDigest } from "../digest.ts";
import { inLayer } from "../layer/layer-errors.ts";
import type { LayerListener } from "../layer/layer-listener.ts";
import { EntryBuilder, type LayerEntry } from "./entry-builder.ts";
import { LayerEntryReader } from "./layer-entries.ts";

/**
 * Entries of a layer while it is being stored: whoever stores it tells of it, and a tree takes the entries from the other
 * end. What the tree has not taken yet is held. What is wrong with the layer is for the tree to find.
 */
export class LayerFeed implements LayerListener {
  readonly #diffId: OciDigest;
  readonly #builder: EntryBuilder;
  readonly #reader: LayerEntryReader;
  #entries: LayerEntry[] = [];
  #error: unknown;
  #state: "open" | "ended" | "failed" = "open";
  #isEmpty = true;
  #wake: () => void = () => undefined;

  constructor(diffId: OciDigest) {
    this.#diffId = diffId;
    this.#builder = new EntryBuilder(diffId);
    this.#reader = new LayerEntryReader(diffId);
  }

  /** Whether nothing was told. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  onEvent(event: TarEvent): void {
    this.#isEmpty = false;
    if (this.#state === "failed") return;
    try {
      this.#builder.takeEvent(event, this.#entries);
    } catch (error) {
      this.fail(inLayer(error, this.#diffId));
    }
    this.#wake();
  }

  onObject(id: ObjectId): void {
    if (this.#state === "failed") return;
    this.#builder.takeObject(id, this.#entries);
    this.#wake();
  }

  onPart(part: SplitstreamPart): void {
    this.#isEmpty = false;
    if (this.#state === "failed") return;
    try {
      this.#reader.push(part, this.#entries);
    } catch (error) {
      this.fail(error);
    }
    this.#wake();
  }

  /** There are no more parts. */
  end(): void {
    if (this.#state === "failed") return;
    this.#state = "ended";
    this.#wake();
  }

  /** There will be no more parts, for this reason. */
  fail(reason: unknown): void {
    if (this.#state === "failed") return;
    this.#state = "failed";
    this.#error = reason;
    this.#wake();
  }

  /**
   * The entries in the order of the tar, in runs, as they come; once only.
   *
   * @throws as `layerEntries`, after the entries before; what {@link LayerFeed.fail} was told
   */
  async *runs(): AsyncGenerator<readonly LayerEntry[], void, undefined> {
    try {
      for (;;) {
        const run = this.#entries;
        this.#entries = [];
        if (run.length > 0) yield run;
        else if (this.#state === "failed") throw this.#error;
        else if (this.#state === "ended") break;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
      if (!this.#isEmpty) this.#reader.finish();
    } finally {
      this.#state = "failed"; // nothing is held for a tree that is not made any more
      this.#entries = [];
    }
  }
}
