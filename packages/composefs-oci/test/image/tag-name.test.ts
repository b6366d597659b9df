import { expect, test } from "vitest";
import { decodeTag, encodeTag, tagRef } from "../../src/image/tag-name.ts";
import { codeOf } from "../code-of.ts";

test.each([
  ["app", "app"],
  ["app:latest", "app:latest"],
  ["oci:/srv/x", "oci:%2Fsrv%2Fx"],
  ["100%", "100%25"],
  ["%2F", "%252F"],
  ["a/%/b", "a%2F%25%2Fb"],
  ["...", "..."],
  ["a@b", "a@b"],
  ["grüße", "grüße"],
])("'%s' is stored as '%s'", (tag, name) => {
  expect(encodeTag(tag)).toBe(name);
  expect(decodeTag(name)).toBe(tag);
  expect(tagRef(tag)).toBe(`oci/${name}`);
});

test.each([
  ["%41", "%41"],
  ["%2f", "%2f"],
  ["%252F", "%2F"],
  ["%25252F", "%252F"],
  ["100%", "100%"],
])("'%s', which we would not write, is read as '%s'", (name, tag) => expect(decodeTag(name)).toBe(tag));

test.each([
  ["", "empty"],
  [".", "this directory"],
  ["..", "the one above"],
  ["@x", "leading @"],
  ["a\0b", "NUL"],
  ["a".repeat(256), "too long"],
  ["/".repeat(86), "too long once encoded"],
  ["ü".repeat(128), "too long in bytes"],
])("tag '%s' is refused: %s", (tag) => expect(codeOf(() => tagRef(tag))).toBe("REF_INVALID"));

test.each(["a".repeat(255), "/".repeat(85), "ü".repeat(127)])("the longest are taken", (tag) => {
  expect(codeOf(() => tagRef(tag))).toBeUndefined();
});
