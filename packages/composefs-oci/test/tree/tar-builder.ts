import type { ObjectId, Splitstream, SplitstreamPart } from "@composefs/core";

/** An entry to put into a test tar. */
export interface TestEntry {
  readonly path: string;
  /** Typeflag; default `0`, a regular file. */
  readonly type?: string;
  readonly link?: string;
  readonly content?: string;
  readonly mode?: number;
  readonly mtime?: number;
}

/** Directory entries, files with one byte, and so on, in short. */
export const dir = (path: string, mode = 0o755): TestEntry => ({ path, type: "5", mode });
export const file = (path: string, content = "x"): TestEntry => ({ path, content });
export const link = (path: string, target: string): TestEntry => ({ path, type: "1", link: target });
export const symlink = (path: string, target: string): TestEntry => ({ path, type: "2", link: target });

/** A ustar header; POSIX.1-1988, "ustar Interchange Format". */
function header(entry: TestEntry): Uint8Array {
  const block = Buffer.alloc(512);
  const octal = (value: number, at: number, width: number): void => {
    block.write(`${value.toString(8).padStart(width - 1, "0")}\0`, at, "latin1");
  };
  block.write(entry.path, 0, 100, "latin1");
  octal(entry.mode ?? 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(entry.content?.length ?? 0, 124, 12);
  octal(entry.mtime ?? 0, 136, 12);
  block.fill(" ", 148, 156);
  block.write(entry.type ?? "0", 156, "latin1");
  block.write(entry.link ?? "", 157, 100, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  octal(0, 329, 8);
  octal(0, 337, 8);
  octal(
    block.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return block;
}

/** The tar of these entries. */
export function tarBytes(entries: readonly TestEntry[]): Uint8Array {
  const blocks = entries.map((entry) => {
    const content = Buffer.from(entry.content ?? "", "latin1");
    return Buffer.concat([header(entry), content, new Uint8Array(padding(content.length))]);
  });
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

function padding(bytes: number): number {
  return 511 - ((bytes + 511) % 512);
}

/** The splitstream of a tar with these entries; content above 64 bytes counts as the object `external`. */
export function layerStream(entries: readonly TestEntry[], external = "00" as ObjectId): Splitstream {
  const parts: SplitstreamPart[] = [];
  for (const entry of entries) {
    const content = entry.content ?? "";
    parts.push({ inline: header(entry) });
    if (content.length > 64) parts.push({ object: external });
    else parts.push({ inline: Buffer.from(content, "latin1") });
    parts.push({ inline: new Uint8Array(padding(content.length)) });
  }
  parts.push({ inline: new Uint8Array(1024) });
  return {
    type: "ocilayer" as Splitstream["type"],
    size: 0,
    objectRefs: [external],
    objectDigests: Buffer.from(external, "hex"),
    namedRefs: new Map(),
    countParts: () => ({ inlineBytes: 0, uses: new Float64Array(1) }),
    *parts() {
      for (const part of parts) if (!("inline" in part) || part.inline.length > 0) yield part;
    },
  };
}
