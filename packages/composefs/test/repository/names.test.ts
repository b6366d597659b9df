import { expect, test } from "vitest";
import { checkEntryName, checkRefName, relativeLink } from "../../src/repository/names.ts";
import { codeOf } from "../support.ts";

test.each([
  ["a", ["a"]],
  ["a/b/c", ["a", "b", "c"]],
  ["with space", ["with space"]],
  ["ünïcode/名", ["ünïcode", "名"]],
  ["...", ["..."]],
  [".hidden/-x", [".hidden", "-x"]],
  ["line\nbreak", ["line\nbreak"]],
  ["refs", ["refs"]],
])("ref name %j", (name, components) => {
  expect(checkRefName(name)).toEqual(components);
});

test.each(["", "/", "/abs", "a/", "a//b", ".", "..", "a/../b", "../../evil", "a/.", "nul\0", "a/nul\0/b"])(
  "ref name %j is refused",
  async (name) => {
    expect(await codeOf(() => checkRefName(name))).toBe("REF_INVALID");
  },
);

test.each([
  ["oci-layer-sha256:00", true],
  ["a b", true],
  ["...", true],
  ["", false],
  [".", false],
  ["..", false],
  ["refs", false],
  ["a/b", false],
  ["nul\0", false],
])("entry name %j: %s", async (name, good) => {
  expect(await codeOf(() => checkEntryName(name))).toBe(good ? "none" : "REF_INVALID");
});

// The texts of repository.md §1.
test.each([
  ["images/HEX", "objects/XX/rest", "../objects/XX/rest"],
  ["images/refs/NAME", "images/HEX", "../HEX"],
  ["images/refs/a/b/c", "images/HEX", "../../../HEX"],
  ["streams/ID", "objects/XX/rest", "../objects/XX/rest"],
  ["streams/refs/oci/app:v1", "streams/oci-manifest-sha256:d", "../../oci-manifest-sha256:d"],
  ["streams/refs/refs", "streams/x", "../x"],
])("link %s to %s", (link, target, text) => {
  expect(relativeLink(link.split("/"), target.split("/"))).toBe(text);
});
