import type { SplitstreamPart } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { type LayerEntry, LayerEntryReader } from "./layer-entries.ts";

/**
 * Entries of a layer while it is being stored: whoever stores it tells the parts of its splitstream, and a tree takes the
 * entries from the other end. What the tree has not taken yet is held.
 */
export class LayerFeed {
  readonly #reader: LayerEntryReader;
  #entries: LayerEntry[] = [];
  #error: unknown;
  #state: "open" | "ended" | "failed" = "open";
  #isEmpty = true;
  #wake: () => void = () => undefined;

  constructor(diffId: OciDigest) {
    this.#reader = new LayerEntryReader(diffId);
  }

  /** Whether no part was told. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Takes the next part, whose bytes may change afterwards. What is wrong with it is for the tree to find. */
  add(part: SplitstreamPart): void {
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
