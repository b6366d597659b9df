import { expect, test } from "vitest";
import { contentType } from "../../src/index.ts";

test.each(["ocilayer", "\xf1\x3e\x46\x8c\xc1\x38\xe1\xaf"])("content type %j", (text) => {
  expect(contentType(text)).toBe(text);
});

test.each(["", "short", "ninechars", "ocilaye€", "🙂🙂🙂🙂"])("%j is none", (text) => {
  expect(() => contentType(text)).toThrow(TypeError);
});
