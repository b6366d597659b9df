import { ComposefsError } from "../errors.ts";

/**
 * A section of a PE executable, such as a unified kernel image.
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 2 | `MZ` |
 * | 0x3c | 4 | where the PE header is |
 * | PE + 0 | 4 | `PE\0\0` |
 * | PE + 6 | 2 | number of sections |
 * | PE + 20 | 2 | size of the optional header, which begins at PE + 24 |
 * | after that | 40 each | sections: name (8 bytes, NUL-padded), length (4), address (4), stored length (4), offset (4), … |
 *
 * All numbers are little-endian. Only the given bytes are ever read, whatever the headers say.
 *
 * @returns the bytes of the first section of that name, without copying; null when there is none
 * @throws ComposefsError `BOOT_ENTRY_INVALID` no PE executable, or the section is not within it
 * @see oci.md §6.4
 */
export function peSection(file: Uint8Array, name: string): Uint8Array | null {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const text = (offset: number, length: number): string =>
    Buffer.from(file.buffer, file.byteOffset + offset, length).toString("latin1");
  if (file.length < 0x40 || text(0, 2) !== "MZ") throw noExecutable("it does not begin with a DOS header");
  const header = view.getUint32(0x3c, true);
  if (header + 24 > file.length || text(header, 4) !== "PE\0\0") throw noExecutable(`no PE header at ${header}`);
  const table = header + 24 + view.getUint16(header + 20, true);
  const count = view.getUint16(header + 6, true);
  if (table + count * 40 > file.length) throw noExecutable(`${count} sections at ${table} end after the file`);
  for (let at = table; at < table + count * 40; at += 40) {
    if (text(at, 8).replace(/\0+$/, "") !== name) continue;
    const length = view.getUint32(at + 8, true);
    const offset = view.getUint32(at + 20, true);
    if (offset + length <= file.length) return file.subarray(offset, offset + length);
    throw noExecutable(`section ${name} (${length} bytes at ${offset}) ends after the file of ${file.length} bytes`);
  }
  return null;
}

function noExecutable(problem: string): ComposefsError {
  return new ComposefsError("BOOT_ENTRY_INVALID", `not an EFI executable: ${problem}`, { details: { problem } });
}
