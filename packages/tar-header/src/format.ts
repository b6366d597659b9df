/**
 * A tar header is one block of 512 bytes (containers-storage.md §4.1):
 *
 * | offset | length | field                 | offset | length | field                                |
 * |-------:|-------:|-----------------------|-------:|-------:|--------------------------------------|
 * |      0 |    100 | name                  |    257 |    6+2 | magic, version                       |
 * |    100 |      8 | mode                  |    265 |     32 | uname (ustar, gnu)                   |
 * |    108 |      8 | uid                   |    297 |     32 | gname (ustar, gnu)                   |
 * |    116 |      8 | gid                   |    329 |      8 | devmajor (ustar, gnu)                |
 * |    124 |     12 | size                  |    337 |      8 | devminor (ustar, gnu)                |
 * |    136 |     12 | mtime                 |    345 |    155 | prefix (ustar only; gnu keeps times) |
 * |    148 |      8 | checksum              |        |        |                                      |
 * |    156 |      1 | typeflag              |        |        |                                      |
 * |    157 |    100 | linkname              |        |        |                                      |
 *
 * Numbers are octal text or, when the first byte is 0x80 or more, big-endian two's complement in the remaining bits.
 * Headers and contents are padded to whole blocks; two blocks of zeros end the archive.
 */

/** Bytes in a block, the unit of headers and of padding. */
export const BLOCK_SIZE = 512;

/** Place of a field in the header block; `name` is for messages. */
export interface HeaderField {
  readonly name: string;
  readonly offset: number;
  readonly length: number;
}

const field = (name: string, offset: number, length: number): HeaderField => ({ name, offset, length });

export const NAME: HeaderField = field("name", 0, 100);
export const MODE: HeaderField = field("mode", 100, 8);
export const UID: HeaderField = field("uid", 108, 8);
export const GID: HeaderField = field("gid", 116, 8);
export const SIZE: HeaderField = field("size", 124, 12);
export const MTIME: HeaderField = field("mtime", 136, 12);
export const CHECKSUM: HeaderField = field("checksum", 148, 8);
export const TYPEFLAG_OFFSET = 156;
export const LINKNAME: HeaderField = field("linkname", 157, 100);
export const MAGIC_OFFSET = 257;
export const UNAME: HeaderField = field("uname", 265, 32);
export const GNAME: HeaderField = field("gname", 297, 32);
export const DEVMAJOR: HeaderField = field("devmajor", 329, 8);
export const DEVMINOR: HeaderField = field("devminor", 337, 8);
export const PREFIX: HeaderField = field("prefix", 345, 155);

/** Bytes of padding after content of `size` bytes; plain arithmetic, since sizes pass 32 bits. */
export function paddingAfter(size: number): number {
  const rest = size % BLOCK_SIZE;
  return rest === 0 ? 0 : BLOCK_SIZE - rest;
}
