import { type TarEvent, TarParser, type TarParserOptions } from "../src/tar-parser.ts";
import { byteString, concat } from "./tar-builder.ts";

/**
 * An entry as the events tell it, with its content and the raw bytes since the entry before. Bytes are byte strings
 * here: comparing long arrays is slow.
 */
interface Collected {
  readonly raw: string;
  readonly headerOffset: number;
  readonly path: string;
  readonly linkPath: string | null;
  readonly type: string;
  readonly size: number;
  readonly mtime: { readonly sec: number; readonly nsec: number };
  readonly xattrs: readonly (readonly [string, string])[];
  readonly content: string;
}

export interface Collection {
  readonly entries: Collected[];
  /** Raw bytes after the last entry's header. */
  readonly tail: string;
  /** All bytes of all events. */
  readonly bytes: string;
}

/**
 * Runs the parser over chunks. Each chunk is overwritten once its events are dealt with, as a reader with one buffer
 * would do, so nothing the parser keeps may be a view of it.
 */
export function collect(chunks: Iterable<Uint8Array>, options?: TarParserOptions): Collection {
  const parser = new TarParser(options);
  const all: Uint8Array[] = [];
  const entries: Collected[] = [];
  let raw: Uint8Array[] = [];
  let content: Uint8Array[] = [];
  let expected = 0;
  const close = (): void => {
    const last = entries.at(-1);
    if (last !== undefined) {
      entries[entries.length - 1] = { ...last, content: byteString(concat(content)) };
    }
    content = [];
  };
  for (const source of chunks) {
    const chunk = source.slice();
    for (const event of parser.push(chunk)) {
      take(event);
    }
    chunk.fill(0xee);
  }
  parser.finish();
  close();
  return { entries, tail: byteString(concat(raw)), bytes: byteString(concat(all)) };

  function take(event: TarEvent): void {
    if (event.type === "entry") {
      close();
      const { headerOffset, path, linkPath, type, size, mtime, xattrs } = event.entry;
      entries.push({
        raw: byteString(concat(raw)),
        headerOffset,
        path: byteString(path),
        linkPath: linkPath === null ? null : byteString(linkPath),
        type,
        size,
        mtime,
        xattrs: [...xattrs].map(([key, value]) => [key, byteString(value)] as const),
        content: "",
      });
      raw = [];
      expected = size;
      return;
    }
    const copy = event.bytes.slice();
    all.push(copy);
    if (event.type === "raw") {
      raw.push(copy);
      return;
    }
    expected -= copy.length;
    if (event.remaining !== expected) {
      throw new Error(`remaining ${event.remaining}, counted ${expected}`);
    }
    content.push(copy);
  }
}

export function* inChunks(data: Uint8Array, size: number): Generator<Uint8Array> {
  for (let i = 0; i < data.length; i += size) {
    yield data.subarray(i, i + size);
  }
}
