/**
 * Number of bytes that `text` stands for as padded standard base64, or -1 when its length or padding rules it out.
 * The characters are not looked at: {@link decodeBase64Into} does that.
 */
export function base64Size(text: string): number {
  const { length } = text;
  if (length % 4 !== 0) return -1;
  if (length === 0) return 0;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return (length / 4) * 3 - padding;
}

/**
 * Decodes base64 `text` of {@link base64Size} `size` into `target` at `offset`.
 *
 * @returns false when `text` is not padded standard base64
 */
export function decodeBase64Into(text: string, size: number, target: Buffer, offset: number): boolean {
  // Node's decoder skips foreign characters, so the output comes out short, and accepts the URL alphabet.
  return target.write(text, offset, size, "base64") === size && !text.includes("-") && !text.includes("_");
}

/** Decodes padded standard base64; null when `text` is anything else. */
export function decodeBase64(text: string): Buffer | null {
  const size = base64Size(text);
  if (size < 0) return null;
  const target = Buffer.allocUnsafe(size);
  return decodeBase64Into(text, size, target, 0) ? target : null;
}
