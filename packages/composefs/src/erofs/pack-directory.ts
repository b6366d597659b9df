import { BLOCK_BYTES, DIRENT_BYTES } from "./format.ts";

/** How the entries of a directory fall into blocks. */
export interface Packing {
  /** By block: the entry after its last. */
  readonly blockEnds: readonly number[];
  /** Bytes of the entries after the last block, which stand behind the inode. */
  readonly tailBytes: number;
}

/** A rest above this gets a block of its own. */
const MAX_TAIL_BYTES = BLOCK_BYTES / 2;

/** Packs the entries `first` to before `end` (erofs-image.md §2.6). @param names of all entries, none above 4084 bytes */
export function packDirectory(names: readonly string[], first: number, end: number): Packing {
  const blockEnds: number[] = [];
  let bytes = 0;
  for (let entry = first; entry < end; entry++) {
    const cost = DIRENT_BYTES + (names[entry] as string).length;
    if (bytes + cost > BLOCK_BYTES) {
      blockEnds.push(entry);
      bytes = 0;
    }
    bytes += cost;
  }
  if (bytes <= MAX_TAIL_BYTES) return { blockEnds, tailBytes: bytes };
  blockEnds.push(end);
  return { blockEnds, tailBytes: 0 };
}
