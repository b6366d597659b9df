import { Readable, Writable } from "node:stream";
import type { Io } from "../src/io.ts";

/** A stream that keeps what is written to it. */
export class Sink extends Writable {
  readonly chunks: Buffer[] = [];
  /** As a terminal has it. */
  isTTY = false;
  columns = 80;

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.chunks.push(Buffer.from(chunk));
    done();
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString("utf8");
  }
}

/** A terminal. */
export function fakeTerminal(): Sink {
  const sink = new Sink();
  sink.isTTY = true;
  return sink;
}

/** A stream that fails each write. */
export function failingStream(code: string): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error(code), { code })),
  });
}

/** Standard streams for one command line. */
export function fakeIo(
  input: readonly Uint8Array[] = [],
): { readonly stdin: Readable; readonly stdout: Sink; readonly stderr: Sink } & Io {
  return { stdin: Readable.from(input), stdout: new Sink(), stderr: new Sink() };
}
