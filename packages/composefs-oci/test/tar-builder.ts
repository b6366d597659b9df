import { createHash, randomFillSync } from "node:crypto";
import type { OciDigest } from "../src/digest.ts";

/** An entry of a tar made for a test; `0` is a file. */
export interface Entry {
  readonly name: string;
  readonly content?: Uint8Array;
  readonly type?: string;
  /** Target of a link. */
  readonly link?: string;
}

/** The directory that the file tree of any image must have (oci.md §4.3). */
export const USR: Entry = { name: "usr/", type: "5" };

/** A ustar archive with two zero blocks at its end; independent of the packages under test. */
export function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, content = new Uint8Array(), type = "0", link }) => [
    header(name, content.length, type, link),
    content,
    Buffer.alloc((512 - (content.length % 512)) % 512),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** Header block of an entry. */
export function header(name: string, size: number, type: string, link = ""): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write("0000644\0", 100);
  block.write("0000000\0", 108);
  block.write("0000000\0", 116);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0", 136);
  block.write("        ", 148);
  block.write(type, 156);
  block.write(link, 157, 100);
  block.write("ustar\x0000", 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** Bytes that do not repeat. */
export function noise(size: number): Buffer {
  return randomFillSync(Buffer.alloc(size));
}

/** Digest of some bytes. */
export function sha256(bytes: Uint8Array | string): OciDigest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as OciDigest;
}

/** `bytes` in chunks of `size`. */
export async function* chunked(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
