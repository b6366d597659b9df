import { syncfs } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";

/** Waits for the disk of a directory. A failure, which the kernel tells once to each open file, holds from then on. */
export class DiskSync {
  readonly #path: string;
  #last: Promise<void> = Promise.resolve();
  #error: ComposefsError | null = null;

  /** @param path of the directory, for messages */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Waits until all that was written before is on disk.
   *
   * @param directory gives its descriptor, the same each time, when it is needed
   * @throws ComposefsError `SYNC_FAILED`; what `directory` throws
   */
  sync(directory: () => number): Promise<void> {
    // One after the other: of two at a time only one would hear of a failure.
    this.#last = this.#last.catch(() => undefined).then(() => this.#sync(directory));
    return this.#last;
  }

  async #sync(directory: () => number): Promise<void> {
    if (this.#error !== null) throw this.#error;
    const fd = directory();
    try {
      await syncfs(fd);
    } catch (cause) {
      this.#error = new ComposefsError(
        "SYNC_FAILED",
        `${this.#path}: what was stored is not safe on disk: ${(cause as Error).message}`,
        {
          details: { path: this.#path },
          hint: "see to the disk (the kernel's log says more), then run `cfsctl gc`, which removes what got no name, and this again",
          cause,
        },
      );
      throw this.#error;
    }
  }
}
