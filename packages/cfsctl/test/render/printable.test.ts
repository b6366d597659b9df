import { expect, test } from "vitest";
import { jsonText, printable } from "../../src/render/printable.ts";

test.each([
  ["plain grün 漢字 \u{1f600}", "plain grün 漢字 \u{1f600}"],
  ["\u001b]0;title\u0007", "\\x1b]0;title\\x07"],
  ["\t\n\r", "\\x09\\x0a\\x0d"],
  ["\u007f\u0080\u009f\u00a0", "\\x7f\\x80\\x9f\u00a0"],
  ["evil\u202egnp.exe", "evil\\u{202e}gnp.exe"],
  ["\u2066\u2069\u200e\u200f\u061c\u2028\u2029", "\\u{2066}\\u{2069}\\u{200e}\\u{200f}\\u{61c}\\u{2028}\\u{2029}"],
])("%j", (text, expected) => expect(printable(text)).toBe(expected));

test("JSON says the same without control characters", () => {
  const value = { a: "\u001b\u007f\u0080\u009b\u009f\u00a0", list: [1] };
  const text = jsonText(value, 2);
  expect(JSON.parse(text)).toEqual(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(text).toContain("\\u009b");
});
