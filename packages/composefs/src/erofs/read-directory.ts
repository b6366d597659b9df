import type { ByteString } from "../tree/node.ts";
import { BLOCK_BYTES, DIRENT_BYTES } from "./format.ts";
import { type ImageView, invalid } from "./image-view.ts";
import { type Inode, inodeBlocks, inodeTail } from "./read-inode.ts";

/** An entry of a directory. */
export interface Dirent {
  readonly name: ByteString;
  readonly nid: number;
}

/**
 * The entries of a directory as they stand there, `.` and `..` too.
 *
 * @throws ComposefsError `IMAGE_INVALID` a block that is no directory block, an impossible name, or one met twice
 */
export function readDirectory(image: ImageView, inode: Inode): Dirent[] {
  const entries: Dirent[] = [];
  const blocks = inodeBlocks(image, inode);
  for (let at = 0; at < blocks.length; at += BLOCK_BYTES) {
    readBlock(image, blocks.subarray(at, at + BLOCK_BYTES), entries);
  }
  const tail = inodeTail(image, inode);
  if (tail.length > 0) readBlock(image, tail, entries);
  const twice = isAscending(entries) ? undefined : repeatedName(entries);
  if (twice !== undefined) throw invalid(image, `entry '${twice}' stands twice`, inode.at);
  return entries;
}

/** Whether the names are in the order of the format, in which none can stand twice. */
function isAscending(entries: readonly Dirent[]): boolean {
  return entries.every(({ name }, i) => i === 0 || (entries[i - 1] as Dirent).name < name);
}

function repeatedName(entries: readonly Dirent[]): ByteString | undefined {
  const names = new Set<ByteString>();
  return entries.find(({ name }) => names.size === names.add(name).size)?.name;
}

function readBlock(image: ImageView, block: Buffer, entries: Dirent[]): void {
  const start = block.byteOffset - image.bytes.byteOffset;
  const { view } = image;
  if (block.length < DIRENT_BYTES) throw invalid(image, `directory block of ${block.length} bytes`, start);
  const namesAt = view.getUint16(start + 8, true);
  if (namesAt === 0 || namesAt % DIRENT_BYTES !== 0 || namesAt > block.length) {
    throw invalid(image, `first name of a directory block at ${namesAt}, no multiple of ${DIRENT_BYTES}`, start + 8);
  }
  for (let at = 0; at < namesAt; at += DIRENT_BYTES) {
    const nameAt = view.getUint16(start + at + 8, true);
    const isLast = at + DIRENT_BYTES === namesAt;
    const nameEnd = isLast ? endOfLast(block, nameAt) : view.getUint16(start + at + DIRENT_BYTES + 8, true);
    if (nameAt < namesAt || nameEnd <= nameAt || nameEnd > block.length) {
      throw invalid(image, `name at ${nameAt} to ${nameEnd} of a directory block`, start + at);
    }
    const name = block.toString("latin1", nameAt, nameEnd) as ByteString;
    if (/[\0/]/.test(name)) throw invalid(image, "a name with a slash or NUL", start + nameAt);
    if (view.getUint32(start + at + 4, true) !== 0) throw invalid(image, "an inode number above 2^32", start + at);
    entries.push({ name, nid: view.getUint32(start + at, true) });
  }
}

/** Padding follows the last name of a block. */
function endOfLast(block: Buffer, nameAt: number): number {
  const nul = block.indexOf(0, nameAt);
  return nul === -1 ? block.length : nul;
}
