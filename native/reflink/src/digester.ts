import { binding, type NativeHandle } from "./binding.ts";

/** Hashes that {@link Digester} knows. */
export type DigestName = "sha256" | "sha384" | "sha512";

/**
 * A plain digest of long data, computed on the native threads: SHA-256 by the processor's instructions for it, where it has
 * them, and two digests side by side; anything else by the libcrypto of the Node.js process.
 */
export class Digester {
  readonly #handle: NativeHandle;
  #last: Promise<void> = Promise.resolve();

  /** @throws Error this build of Node.js shows no libcrypto to addons */
  constructor(name: DigestName) {
    const handle = binding.createDigester(name);
    if (handle === null) throw new Error("this build of Node.js hides its libcrypto from addons");
    this.#handle = handle;
  }

  /** Adds bytes, after those of earlier calls; they must not change until the promise is fulfilled. */
  update(data: Uint8Array): Promise<void> {
    this.#last = this.#last.then(() => binding.updateDigester(this.#handle, data));
    return this.#last;
  }

  /** The digest of all that was added, in lower-case hexadecimal; once only. */
  async digest(): Promise<string> {
    await this.#last;
    return Buffer.from(binding.finishDigester(this.#handle)).toString("hex");
  }
}
