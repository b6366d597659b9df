import { binding } from "./binding.ts";

/** CRC-64 "GO-ISO" of `data` as 8 bytes, big-endian: the checksum of tar-split file entries. */
export function crc64(data: Uint8Array): Uint8Array {
  return binding.crc64(data);
}
