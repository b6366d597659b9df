import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readFiles } from "../src/index.ts";
import { kind, open, openDescriptors, pattern, temporaryDirectory } from "./support.ts";

test("contents in order; what does not fit fails alone", async () => {
  const root = temporaryDirectory();
  for (const size of [0, 10, 20, 21]) writeFileSync(join(root, `${size}`), pattern(size));
  mkdirSync(join(root, "d"));
  const dir = open(root);
  const before = openDescriptors();
  const rows: [string, number, string][] = [
    ["10", -1, "inline"],
    ["0", -1, "inline"],
    ["missing", -1, "open"],
    ["20", 20, "inline"],
    ["20", 19, "size"],
    ["21", -1, "size"],
    ["d", -1, "not-regular"],
    ["10", 10, "inline"],
  ];
  const files = rows.map(([name, size]) => ({ path: Buffer.from(name), size }));
  const outcomes = await readFiles([dir], files, 20);
  expect(outcomes.map(kind)).toEqual(rows.map(([, , expected]) => expected));
  expect(outcomes[0]).toEqual({ inline: pattern(10) });
  expect(outcomes[3]).toEqual({ inline: pattern(20) });
  expect(outcomes[5]).toMatchObject({ failure: { actualSize: 21 } });
  expect(outcomes[7]).toEqual({ inline: pattern(10) });
  expect(openDescriptors()).toBe(before);
});

test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 1.5])("limit %d is refused", async (limit) => {
  await expect(readFiles([], [], limit)).rejects.toThrow(RangeError);
});
