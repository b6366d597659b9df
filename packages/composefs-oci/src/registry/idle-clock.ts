/** Tells when something was waited for in vain; time that is spent elsewhere does not count. */
export class IdleClock {
  #waiting = false;
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number, onIdle: () => void) {
    this.#timer = setTimeout(() => {
      if (this.#waiting) onIdle();
    }, ms);
  }

  /** Waiting begins, or goes on with a sign of life. */
  start(): void {
    this.#waiting = true;
    this.#timer.refresh();
  }

  /** Nothing is waited for until the next start. */
  pause(): void {
    this.#waiting = false;
  }

  /** For good. */
  stop(): void {
    this.#waiting = false;
    clearTimeout(this.#timer);
  }
}
