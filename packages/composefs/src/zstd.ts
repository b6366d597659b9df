import binding from "zstd-napi/binding.js";
import { ComposefsError } from "./errors.ts";

/**
 * The splitstream format is byte-identical between writers only with this libzstd (repository.md §4.5): the id of a
 * splitstream is the digest of its compressed form.
 */
const REQUIRED_VERSION = 10507;

if (binding.versionNumber() !== REQUIRED_VERSION) {
  throw new ComposefsError(
    "ZSTD_VERSION",
    `libzstd 1.5.7 is required for reproducible splitstreams, but zstd-napi brings ${binding.versionString()}`,
    { hint: "install zstd-napi 0.0.13" },
  );
}

const EMPTY = new Uint8Array(0);
const OUTPUT_BYTES: number = binding.cStreamOutSize();
/** Small writes are gathered up to here, so that a chunk of a few bytes costs no call into libzstd. */
const GATHER_BYTES = 64 * 1024;

type Context = InstanceType<typeof binding.CCtx>;

/**
 * Contexts that ended a frame. A new one costs a megabyte and a half of memory never touched before, and garbage that V8
 * takes for a reason to collect; a frame of a context used again has the same bytes.
 */
const idle: Context[] = [];
const MAX_IDLE = 2;

/**
 * One zstd frame at the default level without checksum or content size, written as the reference does: the data by
 * `ZSTD_e_continue`, then `ZSTD_e_end` alone. Data together with `e_end` would give other bytes.
 */
export class ZstdFrameWriter {
  /** Null once the frame has ended: it may be another's then. */
  #context: Context | null = idle.pop() ?? new binding.CCtx();
  readonly #gathered = new Uint8Array(GATHER_BYTES);
  #gatheredBytes = 0;
  readonly #output: Uint8Array[] = [];
  #outputBytes = 0;
  #buffer = new Uint8Array(OUTPUT_BYTES);
  #used = 0;

  /** Compresses `data`, which may change afterwards. */
  write(data: Uint8Array): void {
    if (this.#gatheredBytes + data.length > GATHER_BYTES) this.#flush();
    if (data.length >= GATHER_BYTES) {
      this.#compress(data);
    } else {
      this.#gathered.set(data, this.#gatheredBytes);
      this.#gatheredBytes += data.length;
    }
  }

  /** Bytes compressed so far, those that were taken away among them. */
  get size(): number {
    return this.#outputBytes + this.#used;
  }

  /** Takes away what is compressed so far, so that a frame of any length needs little memory. */
  take(): Uint8Array[] {
    return this.#output.splice(0);
  }

  /** Ends the frame and returns it, without what was taken away. The writer is used up. @throws TypeError it was before */
  finish(): Uint8Array {
    this.#flush();
    const context = this.#open();
    let remaining: number;
    do {
      const [toFlush, produced] = context.compressStream2(
        this.#buffer.subarray(this.#used),
        EMPTY,
        binding.EndDirective.end,
      );
      remaining = toFlush;
      this.#advance(produced);
    } while (remaining > 0);
    this.#context = null;
    if (idle.length < MAX_IDLE) idle.push(context);
    return Buffer.concat([...this.#output, this.#buffer.subarray(0, this.#used)]);
  }

  #open(): Context {
    if (this.#context === null) throw new TypeError("the frame has ended");
    return this.#context;
  }

  #flush(): void {
    this.#compress(this.#gathered.subarray(0, this.#gatheredBytes));
    this.#gatheredBytes = 0;
  }

  // An empty write never reaches libzstd: fed to it, it would change an otherwise empty frame.
  #compress(data: Uint8Array): void {
    const context = this.#open();
    let rest = data;
    while (rest.length > 0) {
      const [, produced, consumed] = context.compressStream2(
        this.#buffer.subarray(this.#used),
        rest,
        binding.EndDirective.continue,
      );
      this.#advance(produced);
      rest = rest.subarray(consumed);
    }
  }

  #advance(produced: number): void {
    this.#used += produced;
    if (this.#used < this.#buffer.length) return;
    this.#output.push(this.#buffer);
    this.#outputBytes += this.#buffer.length;
    this.#buffer = new Uint8Array(OUTPUT_BYTES);
    this.#used = 0;
  }
}

/** Compresses one buffer as {@link ZstdFrameWriter} does. */
export function zstdFrame(data: Uint8Array): Uint8Array {
  const writer = new ZstdFrameWriter();
  writer.write(data);
  return writer.finish();
}

/** How long a piece of decompressed data is valid: for good, or until the next one is asked for, which is faster. */
export type PieceLife = "lasting" | "passing";

/**
 * Decompresses frames laid end to end, skippable ones among them, in pieces of at most 128 KiB. Memory is bounded
 * whatever the data says: libzstd refuses frames that need a window above 128 MiB.
 */
export class ZstdDecoder {
  readonly #context = new binding.DCtx();
  readonly #size: number = binding.dStreamOutSize();
  #output = new Uint8Array(this.#size);
  #used = 0;
  /** What libzstd would like to read next; 0 between frames, once all of a frame came out. */
  #hint = 0;
  readonly #life: PieceLife;

  constructor(life: PieceLife = "lasting") {
    this.#life = life;
  }

  /** The pieces that are complete after `data`. @throws Error libzstd's message for damaged data */
  *push(data: Uint8Array): Generator<Uint8Array, void, undefined> {
    let rest = data;
    let full = false;
    // A full buffer may not have held all there is; the rest comes out without more input.
    while (rest.length > 0 || (full && this.#hint > 0)) {
      const [hint, produced, consumed] = this.#context.decompressStream(this.#output.subarray(this.#used), rest);
      this.#hint = hint;
      rest = rest.subarray(consumed);
      this.#used += produced;
      full = this.#used === this.#size;
      if (full) yield this.#take(); // many small frames share a buffer
    }
  }

  /** The last piece, if there is one. @throws RangeError the data ends inside a frame */
  finish(): Uint8Array {
    if (this.#hint > 0) throw new RangeError("data ends inside a zstd frame");
    return this.#take();
  }

  #take(): Uint8Array {
    const piece = this.#output.subarray(0, this.#used);
    if (this.#life === "lasting") this.#output = new Uint8Array(this.#size);
    this.#used = 0;
    return piece;
  }
}

/**
 * Decompresses data that is at hand as {@link ZstdDecoder} does.
 *
 * @throws Error libzstd's message for damaged data; RangeError for data that ends inside a frame
 */
export function* unzstd(data: Uint8Array, life: PieceLife = "lasting"): Generator<Uint8Array> {
  const decoder = new ZstdDecoder(life);
  yield* decoder.push(data);
  const last = decoder.finish();
  if (last.length > 0) yield last;
}
