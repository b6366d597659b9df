import { closeSync } from "node:fs";
import type { LayerRun } from "../layer-batch.ts";
import { protocolError } from "./rpc-message.ts";

/** A run as it came from the helper. */
export interface ReceivedRun {
  readonly run: LayerRun;
  /** One for each file. The receiver closes them. */
  readonly fds: readonly number[];
  readonly totalBytes: number;
}

type Ended = { readonly runs: number } | { readonly error: unknown };

/** The runs of one layer between the connection, which delivers them, and the layer's reader, which takes them. */
export class LayerStream {
  readonly #waiting: ReceivedRun[] = [];
  #ended: Ended | null = null;
  readonly #wakers: (() => void)[] = [];
  #abandoned = false;
  readonly #window: number;
  #delivered = 0;
  #done = 0;
  /** Index of the next file, counted from the start of the layer. */
  nextFile = 0;

  /** @param window most runs that may have come and not be done with */
  constructor(window: number) {
    this.#window = window;
  }

  /** Runs that came so far. */
  get delivered(): number {
    return this.#delivered;
  }

  /**
   * Takes a run in; closes its descriptors if nobody wants it any more.
   *
   * @throws CstorageError `HELPER_PROTOCOL` more than the window allows; the descriptors are the caller's then
   */
  deliver(received: ReceivedRun): void {
    if (this.#delivered - this.#done >= this.#window) throw protocolError(`more than ${this.#window} runs ahead`);
    this.#delivered += 1;
    this.nextFile += received.fds.length;
    if (this.#abandoned) {
      closeAll(received.fds);
      return;
    }
    this.#waiting.push(received);
    this.#notify();
  }

  /** Tells that a run is done with, so that another may come. */
  done(): void {
    this.#done += 1;
  }

  /** Tells how the stream ended; only the first time counts. */
  end(how: Ended): void {
    this.#ended ??= how;
    this.#notify();
  }

  /** The next run; null at the end of a whole layer. Rejects with what the stream ended by, or the signal's reason. */
  async next(signal: AbortSignal): Promise<ReceivedRun | null> {
    const onAbort = (): void => this.#notify();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        signal.throwIfAborted();
        // An error makes what waits worthless.
        if (this.#ended !== null && "error" in this.#ended) throw this.#ended.error;
        const received = this.#waiting.shift();
        if (received !== undefined) return received;
        if (this.#ended !== null) return null;
        await this.#change();
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Whether the helper sends no more. */
  get ended(): boolean {
    return this.#ended !== null;
  }

  /** Closes what waits and what still comes; then waits for the helper's last word. */
  async abandon(): Promise<void> {
    this.#abandoned = true;
    for (const { fds } of this.#waiting.splice(0)) closeAll(fds);
    while (this.#ended === null) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakers.push(resolve);
    });
  }

  #notify(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }
}

/** Closes descriptors. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) closeSync(fd);
}
