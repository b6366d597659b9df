import { createCipheriv, createHash } from "node:crypto";
import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MEDIAN_BYTES = 5_000;
/** Mean = median · exp(σ²/2) = 20 kB, so 20,000 files make 400 MB. */
const SIGMA = Math.sqrt(2 * Math.log(4));
const MAX_BYTES = 8 * 2 ** 20;
const FILES_PER_DIRECTORY = 50;
/** Every 25th file repeats an earlier one, as packages do with licences and empty modules. */
const REPEAT_EVERY = 25;

/** Settings of {@link writeBigLayer}. */
export interface BigLayerOptions {
  /** Each file with such a number is readable for uid 33 alone; default none. */
  readonly privateEvery?: number;
}

/**
 * Writes one layer of the big image below `root`: `count` files with log-normal sizes and content that looks random,
 * decided by the numbers of layer and file alone.
 */
export function writeBigLayer(root: string, layer: number, count: number, options: BigLayerOptions = {}): void {
  const { privateEvery = Number.POSITIVE_INFINITY } = options;
  for (let index = 0; index < count; index += 1) {
    const dir = join(root, `usr/lib/part-${layer}/${Math.floor(index / FILES_PER_DIRECTORY)}`);
    if (index % FILES_PER_DIRECTORY === 0) mkdirSync(dir, { recursive: true });
    const source = index % REPEAT_EVERY === REPEAT_EVERY - 1 ? Math.floor(index / 2) : index;
    const seed = createHash("sha256").update(`${layer}/${source}`).digest();
    const path = join(dir, `file-${index}.bin`);
    writeFileSync(path, content(seed, size(seed)), { mode: index % 7 === 0 ? 0o755 : 0o644 });
    if (index % privateEvery === privateEvery - 1) {
      chownSync(path, 33, 33);
      chmodSync(path, 0o600);
    }
  }
}

/** `size` bytes of an AES-CTR key stream: fast, and neither compressible nor repeated. */
export function content(seed: Buffer, size: number): Buffer {
  return createCipheriv("aes-256-ctr", seed, Buffer.alloc(16)).update(Buffer.alloc(size));
}

function size(seed: Buffer): number {
  // Box-Muller on two numbers in (0, 1] taken from the seed.
  const u = (seed.readUInt32LE(0) + 1) / 2 ** 32;
  const v = (seed.readUInt32LE(4) + 1) / 2 ** 32;
  const normal = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  return Math.min(MAX_BYTES, Math.round(MEDIAN_BYTES * Math.exp(SIGMA * normal)));
}
