export type { ChecksumKind } from "./checksum.ts";
export { encodeEntryHeader, type NewEntry } from "./encode-header.ts";
export type { TarEntry } from "./entry.ts";
export { TarHeaderError, type TarHeaderErrorCode, type TarHeaderErrorOptions } from "./errors.ts";
export { BLOCK_SIZE, paddingAfter } from "./format.ts";
export { parseHeaderBlock, type TarEndBlock, type TarFormat, type TarHeader } from "./header.ts";
export { type PaxRecord, parsePaxRecords } from "./pax-records.ts";
export { type TarEvent, TarParser, type TarParserOptions } from "./tar-parser.ts";
export { isFileType, type TarType } from "./types.ts";
