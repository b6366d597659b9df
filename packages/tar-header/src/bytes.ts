/** The bytes of an ASCII text; for constants of the format. */
export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Whether `bytes` has `prefix` at `offset`. */
export function hasBytesAt(bytes: Uint8Array, offset: number, prefix: Uint8Array): boolean {
  if (offset + prefix.length > bytes.length) {
    return false;
  }
  for (let i = 0; i < prefix.length; i++) {
    if (bytes[offset + i] !== prefix[i]) {
      return false;
    }
  }
  return true;
}

/** Bytes as a byte string, one char per byte: a map key that sorts bytewise. */
export function byteString(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    text += String.fromCharCode(byte);
  }
  return text;
}
