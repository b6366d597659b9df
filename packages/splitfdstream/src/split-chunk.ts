/**
 * A piece of a stream: bytes carried along, or the 0-based index of a file whose whole content stands here. Within a
 * process chunks pass as values like these; `SplitfdstreamEncoder` and `decodeStream` turn them to bytes and back.
 */
export type SplitChunk = { readonly inline: Uint8Array } | { readonly external: number };
