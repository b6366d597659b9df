const MAX_SHOWN_BYTES = 256;
const decoder = new TextDecoder();

/** A path to show to a person: UTF-8 with undecodable bytes replaced, at most 256 bytes of it. */
export function displayPath(path: Uint8Array): string {
  return path.length <= MAX_SHOWN_BYTES
    ? decoder.decode(path)
    : `${decoder.decode(path.subarray(0, MAX_SHOWN_BYTES))}…`;
}
