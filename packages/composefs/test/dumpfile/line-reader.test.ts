import { expect, test } from "vitest";
import { LIMIT } from "../../src/dumpfile/format.ts";
import { LineReader } from "../../src/dumpfile/line-reader.ts";

function lines(chunks: readonly Uint8Array[]): [number, string][] {
  const found: [number, string][] = [];
  const reader = new LineReader((line) => found.push([line.number, line.fields.join(" ")]));
  for (const chunk of chunks) reader.push(chunk);
  reader.finish();
  return found;
}

test("lines are counted from 1, blank ones too", () => {
  expect(lines([Buffer.from("a\n\n b\r\n\u2028\n/c\r")])).toEqual([
    [1, "a"],
    [3, " b"],
    [5, "/c\r"],
  ]);
});

test("a chunk may be used again once it is taken", () => {
  const chunk = Buffer.from("/ab");
  const found: string[] = [];
  const reader = new LineReader((line) => found.push(line.fields[0] ?? ""));
  reader.push(chunk);
  chunk.write("cd\n");
  reader.push(chunk);
  reader.finish();
  expect(found).toEqual(["/abcd"]);
});

test("lines of several blocks", () => {
  const long = "x".repeat(2_500_000);
  expect(lines([Buffer.from(`a\n${long}\nb\n${long}`)])).toEqual([
    [1, "a"],
    [2, long],
    [3, "b"],
    [4, long],
  ]);
});

test("a line above the limit is refused before it is kept", () => {
  const reader = new LineReader(() => undefined);
  const chunk = Buffer.alloc(LIMIT.line / 4, "x");
  for (let i = 0; i < 4; i++) reader.push(chunk);
  expect(() => reader.push(Buffer.from("x"))).toThrow(
    expect.objectContaining({ code: "DUMPFILE_INVALID", details: { line: 1, column: LIMIT.line + 1 } }),
  );
});
