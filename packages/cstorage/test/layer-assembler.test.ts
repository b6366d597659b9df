import { describe, expect, test } from "vitest";
import { LayerAssembler } from "../src/layer-assembler.ts";
import type { LayerRun } from "../src/layer-batch.ts";
import { thrownBy } from "./code-of.ts";
import { fileLine, headerOf, segmentLine } from "./tar-split-builder.ts";

function assemble(lines: readonly string[]): { batches: LayerRun[]; totalBytes: number } {
  const assembler = new LayerAssembler();
  const batches: LayerRun[] = [];
  for (const line of lines) {
    assembler.push(Buffer.from(line.trimEnd()));
    if (assembler.full) batches.push(assembler.take() as LayerRun);
  }
  const last = assembler.take();
  if (last !== null) batches.push(last);
  return { batches, totalBytes: assembler.totalBytes };
}

/** Chunks in short form: lengths of inline ones, names and indexes of external ones. */
const shape = ({ batches }: { batches: readonly LayerRun[] }) =>
  batches.flatMap(({ chunks, files, firstFile }) =>
    chunks.map((chunk) =>
      "inline" in chunk
        ? chunk.inline.length
        : `${chunk.external}:${Buffer.from(files[chunk.external - firstFile]?.name ?? []).toString()}`,
    ),
  );

test("a file follows its header, numbered through the layer", () => {
  const result = assemble([
    segmentLine(headerOf()),
    fileLine("a", 3),
    segmentLine(Buffer.concat([Buffer.alloc(509), headerOf()])),
    fileLine("/b//c", 700),
    segmentLine(Buffer.alloc(1024)),
  ]);
  expect(shape(result)).toEqual([512, "0:a", 1021, "1:/b//c", 1024]);
  expect(result.totalBytes).toBe(512 + 3 + 1021 + 700 + 1024);
  expect(result.batches[0]?.files.map(({ path, size }) => [Buffer.from(path).toString(), size])).toEqual([
    ["a", 3],
    ["b/c", 700],
  ]);
});

test("empty segments and empty files leave no chunk", () => {
  const result = assemble([segmentLine(headerOf()), fileLine("a", 0), segmentLine(Buffer.alloc(0))]);
  expect(shape(result)).toEqual([512]);
});

test("no lines give no batch", () => {
  expect(assemble([])).toEqual({ batches: [], totalBytes: 0 });
});

describe("content by the header's type", () => {
  test.each<[type: string, hasContent: boolean]>([
    ["0", true],
    ["\0", true],
    ["1", false],
    ["2", false],
    ["3", false],
    ["4", false],
    ["5", false],
    ["6", false],
    ["7", true],
    ["V", true],
  ])("%j: %s", (type, hasContent) => {
    const result = assemble([segmentLine(headerOf(type)), fileLine("a", 3)]);
    expect(shape(result)).toEqual(hasContent ? [512, "0:a"] : [512]);
    expect(result.totalBytes).toBe(hasContent ? 515 : 512);
  });

  test.each(["S"])("%s is refused, whatever its size", (type) => {
    for (const size of [0, 3]) {
      const error = thrownBy(() => assemble([segmentLine(headerOf(type)), fileLine("a", size)]));
      expect(error).toMatchObject({ code: "UNSUPPORTED_ENTRY", details: { line: 2, path: "a" } });
    }
  });

  test("a header may come in several segments", () => {
    const bytes = Buffer.concat([Buffer.alloc(700, 0x53), headerOf("5")]);
    const cuts = [0, 1, 200, 699, 701, 900, 1211, 1212];
    const segments = cuts.slice(1).map((end, i) => segmentLine(bytes.subarray(cuts[i], end)));
    expect(shape(assemble([...segments, fileLine("a", 3)]))).not.toContain("0:a");
  });

  test("bytes before the previous file do not count", () => {
    const short = segmentLine(headerOf("5").subarray(1));
    expect(shape(assemble([segmentLine(headerOf("5")), fileLine("d", 0), short, fileLine("a", 3)]))).toEqual([
      512,
      511,
      "0:a",
    ]);
    expect(shape(assemble([segmentLine(headerOf("5")), fileLine("d", 0), fileLine("a", 3)]))).toEqual([512, "0:a"]);
  });
});

describe("batches", () => {
  test("end after 512 files", () => {
    const { batches } = assemble(Array.from({ length: 1100 }, (_, i) => fileLine(`f${i}`, 1)));
    expect(batches.map(({ files }) => files.length)).toEqual([512, 512, 76]);
    expect(batches.map(({ firstFile }) => firstFile)).toEqual([0, 512, 1024]);
  });

  test("end after 1 MiB of segments", () => {
    const { batches } = assemble(Array.from({ length: 10 }, () => segmentLine(Buffer.alloc(300 * 1024))));
    expect(batches.map(({ chunks }) => chunks.length)).toEqual([4, 4, 2]);
  });

  test("keep their bytes when later ones are made", () => {
    const { batches } = assemble(Array.from({ length: 3000 }, (_, i) => segmentLine(Buffer.alloc(1000, i % 251))));
    const bytes = batches.flatMap(({ chunks }) => chunks.map((chunk) => ("inline" in chunk ? chunk.inline : null)));
    expect(bytes.every((inline, i) => inline?.length === 1000 && inline.every((byte) => byte === i % 251))).toBe(true);
  });
});

test("sizes that add up beyond 2^53-1", () => {
  const lines = [fileLine("a", 2 ** 53 - 1), fileLine("b", 2)];
  expect(thrownBy(() => assemble(lines))).toMatchObject({ code: "TAR_SPLIT_CORRUPT", details: { line: 2 } });
});
