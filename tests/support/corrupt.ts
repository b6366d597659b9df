import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";

const WINDOW = 16 * 2 ** 20;

/**
 * Overwrites every place of a file system image that holds `block`, and returns how many there were. On btrfs, whose
 * checksums then fail, each read of such a block is an EIO. The file system must not be mounted meanwhile.
 */
export function corruptBlock(image: string, block: Buffer): number {
  const fd = openSync(image, "r+");
  try {
    const size = fstatSync(fd).size;
    const damage = Buffer.alloc(block.length, 0xa5);
    const buffer = Buffer.alloc(WINDOW + block.length);
    let found = 0;
    for (let start = 0; start < size; start += WINDOW) {
      const bytes = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, start));
      for (let at = bytes.indexOf(block); at !== -1; at = bytes.indexOf(block, at + 1)) {
        found += writeSync(fd, damage, 0, damage.length, start + at) > 0 ? 1 : 0;
      }
    }
    return found;
  } finally {
    closeSync(fd);
  }
}
