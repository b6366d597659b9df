import { ALGORITHM_NUMBER, type HashName } from "@composefs/reflink";
import type { ObjectId } from "../fsverity/object-id.ts";
import { unzstd, ZstdFrameWriter, zstdFrame } from "../zstd.ts";
import {
  type ContentType,
  HEADER_BYTES,
  INFO_BYTES,
  INFO_OFFSET,
  LG_BLOCK_SIZE,
  MAGIC,
  OFFSET,
  VERSION,
} from "./format.ts";

/** More of an inline run than this waits for its end compressed: tar headers shrink to a twentieth. */
const HELD_BYTES = 8 * 1024 * 1024;
/** Holds what stands between two files of most layers. */
const FIRST_RUN_BYTES = 16 * 1024;

/** Digests listed once each, in order of first use. */
class RefTable {
  readonly #indexes = new Map<string, number>();

  indexOf(id: ObjectId): number {
    let index = this.#indexes.get(id);
    if (index === undefined) {
      index = this.#indexes.size;
      this.#indexes.set(id, index);
    }
    return index;
  }

  encode(): Uint8Array {
    return Buffer.from([...this.#indexes.keys()].join(""), "hex");
  }

  get size(): number {
    return this.#indexes.size;
  }
}

/**
 * Builds a splitstream. Content goes in by {@link SplitstreamWriter.inline} and {@link SplitstreamWriter.external} in
 * order; inline runs between two externals become one chunk. What it holds in memory is the compressed stream, the
 * tables and the inline run not yet ended, compressed when it is long: its length stands before it.
 */
export class SplitstreamWriter {
  readonly #hash: HashName;
  readonly #type: ContentType;
  readonly #objects = new RefTable();
  readonly #streams = new RefTable();
  readonly #names = new Map<string, number>();
  readonly #chunks = new ZstdFrameWriter();
  readonly #prefix = Buffer.alloc(8);
  /** The inline run that is not yet ended, of which it holds `#heldBytes`. */
  #run = new Uint8Array(FIRST_RUN_BYTES);
  #heldBytes = 0;
  /** Bytes of the whole run. */
  #runBytes = 0;
  /** The start of a long run; {@link SplitstreamWriter.#run} is the rest. */
  #spilled: ZstdFrameWriter | null = null;
  #size = 0;
  #inlineBytes = 0;

  constructor(hash: HashName, type: ContentType) {
    this.#hash = hash;
    this.#type = type;
  }

  /** Length of the data described so far, in bytes. */
  get size(): number {
    return this.#size;
  }

  /** Part of {@link SplitstreamWriter.size} that is literal, in bytes. */
  get inlineBytes(): number {
    return this.#inlineBytes;
  }

  /** Memory that the literal bytes take so far, compressed as they are held, in bytes. */
  get compressedBytes(): number {
    return this.#chunks.size + (this.#spilled?.size ?? 0);
  }

  /** Number of distinct objects referred to. */
  get objectCount(): number {
    return this.#objects.size;
  }

  /** Appends literal bytes, which may change afterwards. */
  inline(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const heldBytes = this.#heldBytes + bytes.length;
    if (heldBytes > HELD_BYTES) this.#spill(bytes);
    else {
      if (heldBytes > this.#run.length) this.#grow(heldBytes);
      this.#run.set(bytes, this.#heldBytes);
      this.#heldBytes = heldBytes;
    }
    this.#runBytes += bytes.length;
    this.#inlineBytes += bytes.length;
    this.#size += bytes.length;
  }

  /** Appends the whole content of an object of `sizeBytes` bytes. */
  external(id: ObjectId, sizeBytes: number): void {
    this.#endRun();
    this.#prefix.writeBigInt64LE(BigInt(this.#objects.indexOf(id)));
    this.#chunks.write(this.#prefix);
    this.#size += sizeBytes;
  }

  /** Names another splitstream or image; a name given again points to the later id. */
  ref(name: string, id: ObjectId): void {
    this.#names.set(name, this.#streams.indexOf(id));
  }

  /** Ends the stream and returns the file. The writer is used up. */
  finish(): Uint8Array {
    this.#endRun();
    const streamRefs = this.#streams.encode();
    const objectRefs = this.#objects.encode();
    const namedRefs = zstdFrame(encodeNames(this.#names));
    const stream = this.#chunks.finish();

    const header = Buffer.alloc(HEADER_BYTES + INFO_BYTES);
    header.set(MAGIC);
    header.writeUInt8(VERSION, OFFSET.version);
    header.writeUInt8(ALGORITHM_NUMBER[this.#hash], OFFSET.algorithm);
    header.writeUInt8(LG_BLOCK_SIZE, OFFSET.lgBlockSize);
    let end = 0;
    const range = (offset: number, start: number, length: number): void => {
      end = start + length;
      header.writeBigUInt64LE(BigInt(start), offset);
      header.writeBigUInt64LE(BigInt(end), offset + 8);
    };
    range(OFFSET.infoRange, HEADER_BYTES, INFO_BYTES);
    range(HEADER_BYTES + INFO_OFFSET.streamRefs, end, streamRefs.length);
    range(HEADER_BYTES + INFO_OFFSET.objectRefs, end, objectRefs.length);
    range(HEADER_BYTES + INFO_OFFSET.namedRefs, end, namedRefs.length);
    range(HEADER_BYTES + INFO_OFFSET.stream, end, stream.length);
    header.write(this.#type, HEADER_BYTES + INFO_OFFSET.contentType, "latin1");
    header.writeBigUInt64LE(BigInt(this.#size), HEADER_BYTES + INFO_OFFSET.size);
    return Buffer.concat([header, streamRefs, objectRefs, namedRefs, stream]);
  }

  #endRun(): void {
    if (this.#runBytes === 0) return;
    this.#prefix.writeBigInt64LE(BigInt(-this.#runBytes));
    this.#chunks.write(this.#prefix);
    for (const piece of this.#spilled === null ? [] : unzstd(this.#spilled.finish(), "passing"))
      this.#chunks.write(piece);
    this.#chunks.write(this.#run.subarray(0, this.#heldBytes));
    this.#heldBytes = 0;
    this.#runBytes = 0;
    this.#spilled = null;
  }

  /** Passes on what is held and `bytes` after it. */
  #spill(bytes: Uint8Array): void {
    this.#spilled ??= new ZstdFrameWriter();
    this.#spilled.write(this.#run.subarray(0, this.#heldBytes));
    this.#spilled.write(bytes);
    this.#heldBytes = 0;
  }

  #grow(bytes: number): void {
    const run = new Uint8Array(Math.min(HELD_BYTES, Math.max(bytes, 2 * this.#run.length)));
    run.set(this.#run.subarray(0, this.#heldBytes));
    this.#run = run;
  }
}

function encodeNames(names: ReadonlyMap<string, number>): Uint8Array {
  const records = [...names].map(([name, index]) => ({ name: Buffer.from(name), index }));
  records.sort((a, b) => Buffer.compare(a.name, b.name));
  return Buffer.concat(records.flatMap(({ name, index }) => [Buffer.from(`${index}:`), name, Buffer.of(0)]));
}
