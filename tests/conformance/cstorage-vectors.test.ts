import { readFileSync } from "node:fs";
import {
  bigDataFileName,
  findImage,
  parseImageRecords,
  parseImageReference,
  parseTarSplitLine,
} from "@composefs/cstorage";
import { crc64 } from "@composefs/reflink";
import { describe, expect, test } from "vitest";

/** Recorded beside the implementation that podman 4.3 embeds; see docs of the vectors in containers-storage.md §11. */
const FOLDER = new URL("../../testdata/containers-storage/", import.meta.url);
const readJson = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as T;

const CODES: Readonly<Record<string, string>> = {
  NotFound: "STORE_IMAGE_NOT_FOUND",
  Ambiguous: "REF_AMBIGUOUS",
  InvalidReference: "REF_INVALID",
  TarSplitCorrupt: "TAR_SPLIT_CORRUPT",
};

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
};

describe("crc64.json", () => {
  const { cases } = readJson<{ cases: { dataHex: string; crcHex: string; payloadBase64: string }[] }>("crc64.json");
  test.each(cases)("$crcHex", ({ dataHex, crcHex, payloadBase64 }) => {
    const crc = Buffer.from(crc64(Buffer.from(dataHex, "hex")));
    expect(crc.toString("hex")).toBe(crcHex);
    expect(crc.toString("base64")).toBe(payloadBase64);
  });
});

describe("bigdata-names.json", () => {
  const { cases } = readJson<{ cases: { key: string; fileName: string }[] }>("bigdata-names.json");
  test.each(cases)("$key", ({ key, fileName }) => expect(bigDataFileName(key)).toBe(fileName));
});

describe("image-lookup.json", () => {
  interface Query {
    ref: string;
    expect: { id?: string; error?: string };
  }
  const { stores, queries } = readJson<{ stores: unknown[]; queries: Query[] }>("image-lookup.json");
  const records = stores.map((store, i) => parseImageRecords(JSON.stringify(store), `store ${i}`));
  const find = (ref: string) => findImage(records, parseImageReference(ref));
  test.each(queries)("$ref", ({ ref, expect: wanted }) => {
    if (wanted.error !== undefined) expect(codeOf(() => find(ref))).toBe(CODES[wanted.error]);
    else expect(find(ref).image.id).toBe(wanted.id);
  });
});

describe("tar-split-lines.json", () => {
  interface Line {
    id: string;
    line: string;
    expect: {
      segmentHex?: string;
      file?: { nameHex: string; size: number; crcHex: string | null };
      error?: string;
    };
  }
  const { cases } = readJson<{ cases: Line[] }>("tar-split-lines.json");
  test.each(cases)("$id", ({ line, expect: wanted }) => {
    const parse = () => parseTarSplitLine(Buffer.from(line), 1);
    if (wanted.error !== undefined) {
      expect(codeOf(parse)).toBe(CODES[wanted.error]);
      return;
    }
    const item = parse();
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    if (item.type === "segment") expect(hex(item.bytes)).toBe(wanted.segmentHex);
    else {
      const crcHex = item.crc64 === null ? null : hex(item.crc64);
      expect({ nameHex: hex(item.name), size: item.size, crcHex }).toEqual(wanted.file);
    }
  });
});

test("layers.lock is the file lockfile.json describes", () => {
  const { tokenHex, sizeBytes } = readJson<{ tokenHex: string; sizeBytes: number }>("lockfile.json");
  const bytes = readFileSync(new URL("layers.lock", FOLDER));
  expect(bytes.length).toBe(sizeBytes);
  expect(bytes.toString("hex")).toBe(tokenHex);
});
