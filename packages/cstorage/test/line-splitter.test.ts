import { describe, expect, test } from "vitest";
import { LineSplitter, MAX_LINE_BYTES } from "../src/line-splitter.ts";
import { codeOf } from "./code-of.ts";

function linesOf(...chunks: (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const take = (line: Buffer): void => {
    lines.push(line.toString("latin1"));
  };
  const splitter = new LineSplitter();
  for (const chunk of chunks) splitter.push(Buffer.from(chunk as string), take);
  splitter.finish(take);
  return lines;
}

test.each<[chunks: string[], lines: string[]]>([
  [[], []],
  [[""], []],
  [["a\nb\n"], ["a", "b"]],
  [["a\nb"], ["a", "b"]],
  [
    ["a", "b\n", "c"],
    ["ab", "c"],
  ],
  [
    ["a\n", "\n", "b\n"],
    ["a", "", "b"],
  ],
  [
    ["a", "\n", "b", "", "\n"],
    ["a", "b"],
  ],
  [["a", "b", "c", "d"], ["abcd"]],
  [["\n"], [""]],
  [["a\r\n"], ["a\r"]],
])("%j", (chunks, lines) => {
  expect(linesOf(...chunks)).toEqual(lines);
});

describe("a line of the greatest length", () => {
  const half = Buffer.alloc(MAX_LINE_BYTES / 2, 0x61);

  test.each<[name: string, chunks: (string | Buffer)[]]>([
    ["at once", [Buffer.concat([half, half, Buffer.from("\n")])]],
    ["in pieces", [half, half, "\n"]],
    ["without newline", [half, half]],
  ])("%s", (_, chunks) => {
    expect(linesOf(...chunks).map((line) => line.length)).toEqual([MAX_LINE_BYTES]);
  });

  test.each<[name: string, chunks: (string | Buffer)[]]>([
    ["at once", [Buffer.concat([half, half, Buffer.from("a\n")])]],
    ["in pieces", [half, half, "a\n"]],
    ["before its newline is seen", [half, half, "a"]],
  ])("one byte more %s", (_, chunks) => {
    expect(codeOf(() => linesOf(...chunks))).toBe("TAR_SPLIT_CORRUPT");
  });
});
