import { zstdFrame } from "../../src/zstd.ts";

/** Sections of a splitstream file put together by hand; each default is a valid empty one. */
export interface Sections {
  readonly streamRefs?: Uint8Array;
  readonly objectRefs?: Uint8Array;
  /** Decompressed. */
  readonly names?: Uint8Array;
  /** Compressed; wins over `names`. */
  readonly namedRefs?: Uint8Array;
  /** Decompressed chunks. */
  readonly chunks?: Uint8Array;
  /** Compressed; wins over `chunks`. */
  readonly stream?: Uint8Array;
  /** Bytes between and after the sections, and after the info section's fields. */
  readonly gap?: number;
  /** The header layout of bootc up to 1.15. */
  readonly old?: boolean;
  readonly size?: bigint;
}

/** A sha256 splitstream file by the table of repository.md §4.1. */
export function buildSplitstream(sections: Sections): Buffer {
  const { gap = 0, old = false, size = 0n } = sections;
  const empty = new Uint8Array(0);
  const parts: Buffer[] = [];
  let end = 32;
  const place = (bytes: Uint8Array): [bigint, bigint] => {
    parts.push(Buffer.from(bytes), Buffer.alloc(gap, 0xee));
    const start = end;
    end += bytes.length + gap;
    return [BigInt(start), BigInt(start + bytes.length)];
  };
  const info = Buffer.alloc(80 + gap, 0xee);
  const infoRange = place(info);
  const ranges = [
    place(sections.streamRefs ?? empty),
    place(sections.objectRefs ?? empty),
    place(sections.stream ?? zstdFrame(sections.chunks ?? empty)),
    place(sections.namedRefs ?? zstdFrame(sections.names ?? empty)),
  ];
  const written = parts[0] as Buffer;
  for (const [i, [from, to]] of ranges.entries()) {
    written.writeBigUInt64LE(from, i * 16);
    written.writeBigUInt64LE(to, i * 16 + 8);
  }
  written.write("testtype", 64, "latin1");
  written.writeBigUInt64LE(size, 72);
  const header = Buffer.alloc(32);
  const [magicAt, versionAt, rangeAt] = old ? [18, 29, 0] : [0, 11, 16];
  header.write("SplitStream", magicAt, "latin1");
  header.set([1, 12], old ? 30 : 14);
  header[versionAt] = 0;
  header.writeBigUInt64LE(infoRange[0], rangeAt);
  header.writeBigUInt64LE(infoRange[1], rangeAt + 8);
  return Buffer.concat([header, ...parts]);
}

/** Prefix of a chunk. */
export function prefix(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}
