import { expect, test } from "vitest";
import { parseRegistriesConf } from "../../src/registry/registries-conf.ts";
import { codeOf } from "../code-of.ts";

test("all that counts", () => {
  const text = `
unqualified-search-registries = ["example.com"]
short-name-mode = "enforcing"
[[registry]]
prefix = "example.com/foo"
insecure = true
blocked = true
location = "internal.example.net/bar/"
[[registry.mirror]]
location = "mirror-0.local/foo"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "mirror-1.local"
insecure = true
[[registry]]
location = "registry.com"
mirror-by-digest-only = true
[[registry.mirror]]
location = "mirror.registry.com"
[[registry]]
prefix = "*.example.org"
[aliases]
"foo" = "example.com/foo"`;
  const plain = { insecure: false, blocked: false, mirrors: [], file: "f" };
  const { registries, aliases } = parseRegistriesConf(text, "f");
  expect(aliases).toEqual(new Map([["foo", { target: "example.com/foo", file: "f" }]]));
  expect(registries).toEqual([
    {
      prefix: "example.com/foo",
      location: "internal.example.net/bar",
      insecure: true,
      blocked: true,
      mirrors: [
        { location: "mirror-0.local/foo", insecure: false, pullFromMirror: "tag-only" },
        { location: "mirror-1.local", insecure: true, pullFromMirror: "all" },
      ],
      file: "f",
    },
    {
      ...plain,
      prefix: "registry.com",
      location: "registry.com",
      mirrors: [{ location: "mirror.registry.com", insecure: false, pullFromMirror: "digest-only" }],
    },
    { ...plain, prefix: "*.example.org", location: null },
  ]);
});

test.each([
  ["no TOML", "[[registry"],
  ["version 1", '[registries.search]\nregistries = ["a"]'],
  ["registry is no list", 'registry = "a"'],
  ["registry is a table", '[registry]\nlocation = "a"'],
  ["neither prefix nor location", "[[registry]]\ninsecure = true"],
  ["no location", '[[registry]]\nprefix = "a.b"'],
  ["a scheme", '[[registry]]\nlocation = "https://a.b"'],
  ["location is no string", "[[registry]]\nlocation = 7"],
  ["insecure is no boolean", '[[registry]]\nlocation = "a"\ninsecure = "yes"'],
  ["a mirror without location", '[[registry]]\nlocation = "a"\n[[registry.mirror]]\ninsecure = true'],
  ["another pull-from-mirror", '[[registry]]\nlocation = "a"\nmirror = [{location = "b", pull-from-mirror = "x"}]'],
  [
    "two rules for mirrors",
    '[[registry]]\nlocation = "a"\nmirror-by-digest-only = true\nmirror = [{location = "b", pull-from-mirror = "all"}]',
  ],
])("%s", (_, text) => {
  expect(codeOf(() => parseRegistriesConf(text, "f"))).toBe("REGISTRY_CONFIG_INVALID");
});
