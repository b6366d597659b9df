import { digestMismatch } from "../digest-mismatch.ts";
import { OciError } from "../errors.ts";
import type { Descriptor } from "../image/manifest.ts";
import { finishDigest, startDigest } from "../long-digest.ts";

/** A blob while it is read: its size and digest are checked on the way. {@link VerifiedBlob.close} it in any case. */
export class VerifiedBlob {
  readonly #descriptor: Descriptor;
  readonly #subject: string;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #digester: ReturnType<typeof startDigest>;
  /** Settles when what was read last is hashed; then its buffer may be filled anew. */
  #hashed: Promise<void> = Promise.resolve();
  #offset = 0;
  /** Null until the end was reached, or a byte too many. */
  #outcome: "sound" | OciError | null = null;

  /** @param subject what to call it in errors, such as `config` */
  constructor(chunks: AsyncIterable<Uint8Array>, descriptor: Descriptor, subject: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#descriptor = descriptor;
    this.#subject = subject;
    this.#digester = startDigest(descriptor.digest);
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * The bytes that were not read yet. Who stops before the end can go on by another call.
   *
   * @throws OciError `BLOB_DIGEST_MISMATCH`, as soon as there is a byte too many, else at the end
   */
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#outcome === null) {
      await this.#hashed;
      const { done, value } = await this.#chunks.next();
      if (done) break;
      this.#offset += value.length;
      if (this.#offset > this.#descriptor.size) throw this.#fail(this.#wrongSize(`more than ${this.#descriptor.size}`));
      this.#hashed = this.#digester.update(value);
      yield value;
    }
    await this.#finish();
  }

  /** Reads to the end. @throws OciError `BLOB_DIGEST_MISMATCH` with `cause` if the blob is not what it should be */
  async verify(cause?: unknown): Promise<void> {
    try {
      for await (const _ of this.read());
    } catch (error) {
      if (cause === undefined || !(error instanceof OciError) || error.code !== "BLOB_DIGEST_MISMATCH") throw error;
      const { code, message, details, hint } = error;
      throw new OciError(code, message, { details, hint, cause });
    }
  }

  /** Ends the reading. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #finish(): Promise<void> {
    if (this.#outcome === "sound") return;
    if (this.#outcome !== null) throw this.#outcome;
    const { digest, size } = this.#descriptor;
    if (this.#offset !== size) throw this.#fail(this.#wrongSize(String(this.#offset)));
    const actual = await finishDigest(this.#digester, digest);
    if (actual !== digest) throw this.#fail(digestMismatch(`${this.#subject} ${digest}`, digest, actual));
    this.#outcome = "sound";
  }

  #fail(error: OciError): OciError {
    this.#outcome = error;
    return error;
  }

  #wrongSize(found: string): OciError {
    const { digest, size } = this.#descriptor;
    return new OciError("BLOB_DIGEST_MISMATCH", `${this.#subject} ${digest}: expected ${size} bytes, found ${found}`, {
      details: { expected: digest, expectedSize: size, actualSize: this.#offset },
      hint: "get the image from its source again",
    });
  }
}
