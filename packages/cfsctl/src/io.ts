import type { Readable, Writable } from "node:stream";
import { jsonText } from "./render/printable.ts";

/** Streams a command reads from and writes to. */
export interface Io {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Whoever reads standard output is gone; the command ends quietly. */
export class StdoutClosed extends Error {
  override readonly name = "StdoutClosed";
}

/** Writes results to standard output, at the pace of its reader. */
export class Output {
  readonly #stream: Writable;
  #error: NodeJS.ErrnoException | null = null;
  /** Lets the write that waits for room go on. */
  #resume: () => void = () => undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      this.#error ??= error;
      this.#resume();
    });
    stream.on("drain", () => this.#resume());
    stream.on("close", () => this.#resume());
  }

  /** Whether a person looks at it. */
  get isTerminal(): boolean {
    return "isTTY" in this.#stream && this.#stream.isTTY === true;
  }

  /** One write at a time. @throws StdoutClosed; the error of any other failed write */
  async write(data: string | Uint8Array): Promise<void> {
    this.#check();
    if (data.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#resume = resolve;
      if (this.#stream.write(data)) resolve();
    });
    this.#check();
  }

  /** Writes a value as JSON with two spaces of indent. */
  async writeJson(value: unknown): Promise<void> {
    await this.write(`${jsonText(value, 2)}\n`);
  }

  /** Waits until everything is written. @throws as {@link Output.write} */
  async flush(): Promise<void> {
    await new Promise<void>((resolve) => this.#stream.write("", () => resolve()));
    this.#check();
  }

  #check(): void {
    if (this.#error === null) {
      if (this.#stream.destroyed) throw new StdoutClosed();
      return;
    }
    if (this.#error.code === "EPIPE" || this.#error.code === "ERR_STREAM_DESTROYED") throw new StdoutClosed();
    throw this.#error;
  }
}
