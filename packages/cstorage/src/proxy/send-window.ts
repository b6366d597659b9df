/**
 * How many runs of a layer may be on their way: the helper takes one before each, and gets it back when the pull is done
 * with the run. Bounds what both hold open, whatever the sockets between them would take.
 */
export class SendWindow {
  #free: number;
  #waiting: (() => void) | null = null;
  readonly #cancelled = new AbortController();

  /** @param size runs under way at most */
  constructor(size: number) {
    this.#free = size;
  }

  /** Aborted by {@link SendWindow.cancel}. */
  get signal(): AbortSignal {
    return this.#cancelled.signal;
  }

  /** Waits until another run may be sent; one call at a time. @throws the signal's reason */
  async take(): Promise<void> {
    while (this.#free === 0 && !this.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    this.signal.throwIfAborted();
    this.#free -= 1;
  }

  /** One more may be sent. */
  grant(): void {
    this.#free += 1;
    this.#wake();
  }

  /** Nothing more is wanted. */
  cancel(): void {
    this.#cancelled.abort(new Error("cancelled"));
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.();
    this.#waiting = null;
  }
}
