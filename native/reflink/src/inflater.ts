import { binding, type NativeHandle } from "./binding.ts";

const BETWEEN_MEMBERS = 1;
const DAMAGED = 2;

/** What one call of {@link Inflater.inflate} did. */
export interface Inflated {
  /** Bytes of the input that were used. */
  readonly consumed: number;
  /** Bytes that the output got. */
  readonly produced: number;
  /** What is wrong with the data at `consumed`, in zlib's words; null: nothing. */
  readonly damage: string | null;
}

/** Decompresses gzip data of any number of members on the native threads, by the zlib of the Node.js process. */
export class Inflater {
  readonly #handle: NativeHandle;
  #state: number = BETWEEN_MEMBERS;

  /** @throws Error this build of Node.js shows no zlib to addons */
  constructor() {
    const handle = binding.createInflater();
    if (handle === null) throw new Error("this build of Node.js hides its zlib from addons");
    this.#handle = handle;
  }

  /** Whether what was taken so far ends with a member. */
  get complete(): boolean {
    return this.#state === BETWEEN_MEMBERS;
  }

  /** Goes on with `input` until it is used up or `output` is full; one call at a time, and neither may change meanwhile. */
  async inflate(input: Uint8Array, output: Uint8Array): Promise<Inflated> {
    const { consumed, produced, state, message } = await binding.inflateChunk(this.#handle, input, output);
    this.#state = state;
    return { consumed, produced, damage: state === DAMAGED ? message : null };
  }
}
