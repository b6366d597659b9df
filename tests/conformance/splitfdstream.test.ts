import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createSplitfdstreamDecoder,
  decodeStream,
  encodeChunk,
  reconstruct,
  type SplitChunk,
} from "@composefs/splitfdstream";
import { afterAll, beforeAll, expect, test } from "vitest";

/** Recorded with composefs-rs; see testdata/README-tar.txt. */
interface Case {
  readonly id: string;
  readonly streamHex: string;
  readonly filesHex: readonly string[];
  readonly expect: {
    readonly chunks: readonly ({ readonly inlineHex: string } | { readonly external: number })[];
    readonly error?: string;
    readonly reconstructedHex?: string;
    readonly reconstructError?: string;
  };
}

const { cases } = JSON.parse(
  readFileSync(new URL("../../testdata/containers-storage/splitfdstream.json", import.meta.url), "utf8"),
) as { cases: Case[] };
const table = cases.map((one) => [one.id, one] as const);

/** No Buffer: its `slice` would be a view. */
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const upperSnake = (name: string): string => name.replace(/(?<=.)(?=[A-Z])/g, "_").toUpperCase();
const failure = (name: string): unknown =>
  expect.objectContaining({ name: "SplitfdstreamError", code: upperSnake(name) });
const described = (chunk: SplitChunk) => ("inline" in chunk ? { inlineHex: toHex(chunk.inline) } : chunk);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "splitfdstream-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

test("all cases are there", () => {
  expect(cases.length).toBe(28);
});

test.each(table)("decode %s", (_, one) => {
  const stream = fromHex(one.streamHex);
  for (const size of [stream.length + 1, 1, 3, 8, 11]) {
    const decoder = createSplitfdstreamDecoder();
    const chunks: unknown[] = [];
    const drain = (): void => {
      for (let chunk = decoder.next(); chunk !== null; chunk = decoder.next()) {
        chunks.push(described(chunk));
      }
    };
    const run = (): void => {
      for (let at = 0; at < stream.length; at += size) {
        const piece = stream.slice(at, at + size);
        decoder.push(piece);
        drain();
        // Nothing of the piece may be needed any more.
        piece.fill(0xee);
      }
      decoder.finish();
      drain();
    };
    if (one.expect.error === undefined) {
      run();
    } else {
      expect(run).toThrow(failure(one.expect.error));
    }
    expect(chunks).toEqual(one.expect.chunks);
  }
});

test.each(table.filter(([, one]) => one.expect.error === undefined))("encode %s", (_, one) => {
  const pieces = one.expect.chunks.flatMap((chunk) =>
    encodeChunk("inlineHex" in chunk ? { inline: fromHex(chunk.inlineHex) } : chunk),
  );
  expect(toHex(Buffer.concat(pieces))).toBe(one.streamHex);
});

test.each(table.filter(([, { expect: e }]) => e.reconstructedHex !== undefined || e.reconstructError !== undefined))(
  "reconstruct %s",
  async (id, one) => {
    const fds = one.filesHex.map((content, index) => {
      const path = join(directory, `${id}-${index}`);
      writeFileSync(path, fromHex(content));
      return openSync(path, "r");
    });
    try {
      for (const size of [4096, 1, 7]) {
        const result = collect(reconstruct(decodeStream(pieces(fromHex(one.streamHex), size)), fds));
        if (one.expect.reconstructError !== undefined) {
          await expect(result).rejects.toThrow(failure(one.expect.reconstructError));
        } else {
          expect(toHex(await result)).toBe(one.expect.reconstructedHex);
        }
      }
    } finally {
      fds.forEach(closeSync);
    }
  },
);

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
  }
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of source) {
    expect(piece.length).toBeGreaterThan(0);
    all.push(piece);
  }
  return Buffer.concat(all);
}
