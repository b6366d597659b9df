import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  createSplitdirfdstreamDecoder,
  decodeDirStream,
  encodeDirChunk,
  reconstructDir,
  type SplitDirChunk,
} from "@composefs/splitfdstream";
import { afterAll, beforeAll, expect, test } from "vitest";

type RecordedChunk =
  | { readonly metadataHex: string }
  | { readonly inlineDataHex: string }
  | { readonly fileBacked: { readonly dirfdIndex: number; readonly length: string; readonly filenameHex: string } };

/** Recorded with composefs-rs; see testdata/README-tar.txt. */
interface Case {
  readonly id: string;
  readonly streamHex: string;
  readonly dirs: readonly Readonly<Record<string, string>>[];
  readonly expect: {
    readonly chunks: readonly RecordedChunk[];
    readonly error?: string;
    readonly reconstructedHex?: string;
    readonly reconstructError?: string;
  };
}

const { cases } = JSON.parse(
  readFileSync(new URL("../../testdata/containers-storage/splitdirfdstream.json", import.meta.url), "utf8"),
) as { cases: Case[] };
const table = cases.map((one) => [one.id, one] as const);

/** No Buffer: its `slice` would be a view. */
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** The one code that is not its recorded name. */
const RENAMED: Readonly<Record<string, string>> = { NotFound: "FILE_NOT_FOUND" };
const code = (name: string): string => RENAMED[name] ?? name.replace(/(?<=.)(?=[A-Z])/g, "_").toUpperCase();
const failure = (name: string): unknown => expect.objectContaining({ name: "SplitfdstreamError", code: code(name) });

function described(chunk: SplitDirChunk): RecordedChunk {
  if ("fileBacked" in chunk) {
    const { directory, name, size } = chunk.fileBacked;
    return { fileBacked: { dirfdIndex: directory, length: String(size), filenameHex: toHex(name) } };
  }
  return "metadata" in chunk ? { metadataHex: toHex(chunk.metadata) } : { inlineDataHex: toHex(chunk.inlineData) };
}

function toChunk(chunk: RecordedChunk): SplitDirChunk {
  if ("fileBacked" in chunk) {
    const { dirfdIndex, length, filenameHex } = chunk.fileBacked;
    return { fileBacked: { directory: dirfdIndex, name: fromHex(filenameHex), size: Number(length) } };
  }
  return "metadataHex" in chunk
    ? { metadata: fromHex(chunk.metadataHex) }
    : { inlineData: fromHex(chunk.inlineDataHex) };
}

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "splitdirfdstream-"));
});
afterAll(() => rmSync(root, { recursive: true }));

test("all cases are there", () => {
  expect(cases.length).toBe(21);
});

test.each(table)("decode %s", (_, one) => {
  const stream = fromHex(one.streamHex);
  for (const size of [stream.length + 1, 1, 2, 5, 17]) {
    const decoder = createSplitdirfdstreamDecoder();
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

test.each(table.filter(([, one]) => one.expect.error === undefined))("encode %s", (id, one) => {
  const encode = (): Uint8Array => Buffer.concat(one.expect.chunks.flatMap((chunk) => encodeDirChunk(toChunk(chunk))));
  if (one.expect.reconstructError === "InvalidFilename") {
    expect(encode).toThrow(failure("InvalidFilename"));
  } else {
    // Empty metadata is taken but never written.
    expect(toHex(encode())).toBe(id === "metadata-empty" ? "" : one.streamHex);
  }
});

test.each(table.filter(([, { expect: e }]) => e.reconstructedHex !== undefined || e.reconstructError !== undefined))(
  "reconstruct %s",
  async (id, one) => {
    const directories = one.dirs.map((files, index) => {
      const directory = join(root, id, String(index));
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(directory, name)), { recursive: true });
        writeFileSync(join(directory, name), fromHex(content));
      }
      return directory;
    });
    const opened: FileHandle[] = [];
    const openBeneath = async (directory: string, name: Uint8Array): Promise<FileHandle> => {
      const handle = await open(join(directory, Buffer.from(name).toString("latin1")));
      opened.push(handle);
      return handle;
    };
    const source = decodeDirStream(pieces(fromHex(one.streamHex)));
    const result = collect(reconstructDir(source, directories, openBeneath));
    if (one.expect.reconstructError !== undefined) {
      await expect(result).rejects.toThrow(failure(one.expect.reconstructError));
    } else {
      expect(toHex(await result)).toBe(one.expect.reconstructedHex);
    }
    expect(opened.filter((handle) => handle.fd !== -1)).toEqual([]);
  },
);

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of source) {
    expect(piece.length).toBeGreaterThan(0);
    all.push(piece);
  }
  return Buffer.concat(all);
}
