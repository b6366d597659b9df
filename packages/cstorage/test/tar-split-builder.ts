import { crc64 } from "@composefs/reflink";

/** A 512-byte header with nothing in it but its type. */
export function headerOf(type = "0"): Buffer {
  const header = Buffer.alloc(512);
  header.write(type, 156, "latin1");
  return header;
}

/** A segment's line. */
export function segmentLine(bytes: Uint8Array): string {
  return `${JSON.stringify({ type: 2, payload: Buffer.from(bytes).toString("base64"), position: 0 })}\n`;
}

/** A file entry's line, as for a file with this content or, with a number, of this size. */
export function fileLine(name: string, content: Uint8Array | number): string {
  const size = typeof content === "number" ? content : content.length;
  const payload = size === 0 ? null : Buffer.from(typeof content === "number" ? new Uint8Array(8) : crc64(content));
  return `${JSON.stringify({ type: 1, name, size, payload: payload?.toString("base64") ?? null, position: 0 })}\n`;
}
