/** Builds tar archives for tests, flaws included; independent of the package's own code. */

const encoder = new TextEncoder();

export const bytes = (text: string): Uint8Array => encoder.encode(text);

export const text = (value: Uint8Array): string => new TextDecoder().decode(value);

/** One char per byte. */
export const byteString = (value: Uint8Array): string => Buffer.from(value).toString("latin1");

export function concat(parts: Iterable<Uint8Array>): Uint8Array {
  const list = [...parts];
  const result = new Uint8Array(list.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of list) {
    result.set(part, offset);
    offset += part.length;
  }
  return result;
}

type BuildFormat = "ustar" | "gnu" | "v7";

export interface BuildHeader {
  readonly name?: string | Uint8Array;
  readonly type?: string;
  readonly size?: number;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly linkName?: string | Uint8Array;
  readonly prefix?: string;
  readonly major?: number;
  readonly minor?: number;
  readonly format?: BuildFormat;
  /** Raw bytes put over the block before the checksum is made: [offset, bytes]. */
  readonly patch?: readonly (readonly [number, Uint8Array | readonly number[]])[];
  readonly checksum?: "unsigned" | "signed" | "wrong";
}

export function header(options: BuildHeader = {}): Uint8Array {
  const block = new Uint8Array(512);
  const put = (offset: number, value: string | Uint8Array): void =>
    block.set(typeof value === "string" ? bytes(value) : value, offset);
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, "0")}\0`;
  const format = options.format ?? "ustar";
  put(0, options.name ?? "file");
  put(100, octal(options.mode ?? 0o644, 8));
  put(108, octal(options.uid ?? 0, 8));
  put(116, octal(options.gid ?? 0, 8));
  put(124, octal(options.size ?? 0, 12));
  put(136, octal(options.mtime ?? 0, 12));
  put(156, options.type ?? "0");
  put(157, options.linkName ?? "");
  if (format !== "v7") {
    put(257, format === "ustar" ? "ustar\x0000" : "ustar  \0");
    put(329, octal(options.major ?? 0, 8));
    put(337, octal(options.minor ?? 0, 8));
  }
  put(345, options.prefix ?? "");
  for (const [offset, value] of options.patch ?? []) {
    block.set(value, offset);
  }
  return seal(block, options.checksum);
}

/** Writes the checksum of a block. */
export function seal(block: Uint8Array, kind: BuildHeader["checksum"] = "unsigned"): Uint8Array {
  block.fill(0x20, 148, 156);
  let sum = kind === "wrong" ? 1 : 0;
  for (const byte of block) {
    sum += kind === "signed" && byte > 127 ? byte - 256 : byte;
  }
  block.set(bytes(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return block;
}

export function pad(data: Uint8Array, fill = 0): Uint8Array {
  return concat([data, new Uint8Array((512 - (data.length % 512)) % 512).fill(fill)]);
}

/** An entry with content; its size is that of the content unless given. */
export function entry(options: BuildHeader = {}, content: Uint8Array | string = ""): Uint8Array {
  const data = typeof content === "string" ? bytes(content) : content;
  return concat([header({ size: data.length, ...options }), pad(data)]);
}

export function paxRecord(key: string | Uint8Array, value: string | Uint8Array): Uint8Array {
  const part = (item: string | Uint8Array): Uint8Array => (typeof item === "string" ? bytes(item) : item);
  const body = concat([bytes(" "), part(key), bytes("="), part(value), bytes("\n")]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) {
    length = String(length).length + body.length;
  }
  return concat([bytes(String(length)), body]);
}

export const pax = (...records: Uint8Array[]): Uint8Array =>
  entry({ name: "PaxHeaders/x", type: "x" }, concat(records));

export const globalPax = (...records: Uint8Array[]): Uint8Array => entry({ name: "g", type: "g" }, concat(records));

export const longName = (name: string | Uint8Array): Uint8Array =>
  entry(
    { name: "././@LongLink", type: "L", format: "gnu" },
    concat([typeof name === "string" ? bytes(name) : name, bytes("\0")]),
  );

export const longLink = (name: string): Uint8Array =>
  entry({ name: "././@LongLink", type: "K", format: "gnu" }, `${name}\0`);

export const zeroBlock: Uint8Array = new Uint8Array(512);

export const endBlocks: Uint8Array = new Uint8Array(1024);
