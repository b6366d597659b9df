import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { finishDigest, startDigest } from "../long-digest.ts";
import type { BlobFacts } from "./blob-sink.ts";

/** Algorithm of blobs whose digest is not known beforehand. */
const USUAL: OciDigest = `sha256:${"0".repeat(64)}` as OciDigest;

/** A blob's content on its way to a sink: its size and digest are taken, and compared where they are known beforehand. */
export class MeasuredContent {
  readonly #content: AsyncIterable<Uint8Array>;
  readonly #expected: BlobFacts | null;
  readonly #what: string;
  #size = 0;
  #digest: OciDigest | null = null;

  /** @param what begins messages */
  constructor(content: AsyncIterable<Uint8Array>, expected: BlobFacts | null, what: string) {
    this.#content = content;
    this.#expected = expected;
    this.#what = what;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  /** What went through; null before the end of it. */
  get facts(): BlobFacts | null {
    return this.#digest === null ? null : { digest: this.#digest, size: this.#size };
  }

  /** The content. @throws OciError `BLOB_DIGEST_MISMATCH` as soon as there is a byte too many, else at the end */
  async *pieces(): AsyncGenerator<Uint8Array> {
    const expected = this.#expected;
    const like = expected?.digest ?? USUAL;
    const digester = startDigest(like);
    for await (const piece of this.#content) {
      this.#size += piece.length;
      if (expected !== null && this.#size > expected.size)
        throw this.#mismatch(expected, `${this.#size} or more bytes`);
      const hashed = digester.update(piece);
      yield piece;
      await hashed;
    }
    const digest = await finishDigest(digester, like);
    if (expected !== null && this.#size !== expected.size) throw this.#mismatch(expected, `${this.#size} bytes`);
    if (expected !== null && digest !== expected.digest) throw this.#mismatch(expected, digest);
    this.#digest = digest;
  }

  #mismatch({ digest, size }: BlobFacts, found: string): OciError {
    return new OciError("BLOB_DIGEST_MISMATCH", `${this.#what}: expected ${digest} of ${size} bytes, found ${found}`, {
      details: { expected: digest, expectedBytes: size, found },
      hint: "what is handed on is not what the image says: check the repository with `cfsctl oci fsck`",
    });
  }
}
