import { expect, test } from "vitest";
import { checkName } from "../../src/dir/check-name.ts";

const name = (text: string): Uint8Array => Buffer.from(text, "latin1");

test.each(["a", "a/b", "./a", "a//b", "a/", ".", "...", "..a", "a..", "a/..b", "\xff", "n".repeat(4096)])(
  "taken: %j",
  (text) => {
    expect(() => checkName(name(text))).not.toThrow();
  },
);

test.each([
  ["", "INVALID_FILENAME"],
  ["/a", "INVALID_FILENAME"],
  ["..", "INVALID_FILENAME"],
  ["../a", "INVALID_FILENAME"],
  ["a/..", "INVALID_FILENAME"],
  ["a/../b", "INVALID_FILENAME"],
  ["a//../b", "INVALID_FILENAME"],
  ["a\0", "INVALID_FILENAME"],
  ["n".repeat(4097), "FILENAME_TOO_LONG"],
])("refused: %j", (text, code) => {
  expect(() => checkName(name(text))).toThrow(expect.objectContaining({ name: "SplitfdstreamError", code }));
});
