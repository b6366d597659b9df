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
  /** What is wrong with the layer at the place that was told last. */
  #fault: { readonly error: unknown } | null = null;
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
    this.#take(() => this.#builder.takeEvent(event, this.#entries));
  }

  onObject(id: ObjectId): void {
    if (this.#state === "failed") return;
    this.#builder.takeObject(id, this.#entries);
    this.#settle();
  }

  onPart(part: SplitstreamPart): void {
    this.#take(() => this.#reader.push(part, this.#entries));
  }

  /** There is no more. */
  end(): void {
    if (this.#state === "failed") return;
    this.#state = "ended";
    this.#wake();
  }

  /** There will be no more, for this reason. */
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

  #take(add: () => void): void {
    this.#isEmpty = false;
    if (this.#state === "failed" || this.#fault !== null) return;
    try {
      add();
    } catch (error) {
      this.#fault = { error: inLayer(error, this.#diffId) };
    }
    this.#settle();
  }

  /** A fault has its turn after the entries before it, some of which may still wait for their objects. */
  #settle(): void {
    if (this.#fault !== null && this.#builder.objectBytes === 0) this.fail(this.#fault.error);
    this.#wake();
  }
}
