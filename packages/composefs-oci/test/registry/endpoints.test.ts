import { expect, test } from "vitest";
import { pullEndpoints, pushEndpoint } from "../../src/registry/endpoints.ts";
import { imageName, parseImageName } from "../../src/registry/reference.ts";
import { parseRegistriesConf } from "../../src/registry/registries-conf.ts";
import { codeOf } from "../code-of.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;

// The first two groups are the examples of containers-registries.conf(5).
const CONF = `
[[registry]]
prefix = "example.com/foo"
location = "internal.example.net/bar"
[[registry.mirror]]
location = "mirror-0.local/mirror-for-foo"
[[registry.mirror]]
location = "mirror-1.local/mirrors/foo"
insecure = true
[[registry]]
location = "registry.com"
[[registry.mirror]]
location = "mirror.registry.com"
[[registry]]
prefix = "docker.io/library"
location = "hub.local/lib"
[[registry]]
prefix = "*.wild.org"
insecure = true
[[registry]]
prefix = "*.moved.org"
location = "new.org"
[[registry]]
prefix = "own.wild.org"
location = "own.wild.org/x"
[[registry]]
location = "rules.org"
mirror = [
  { location = "always.org" },
  { location = "digests.org", pull-from-mirror = "digest-only" },
  { location = "tags.org", pull-from-mirror = "tag-only" },
]
[[registry]]
prefix = "rules.org/pinned:v1"
location = "rules.org/other:v2"
[[registry]]
location = "blocked.org/ns"
blocked = true
[[registry]]
prefix = "wrong.org"
location = "wrong.org/UPPER"
`;
const { registries: ENTRIES } = parseRegistriesConf(CONF, "f");

test.each<[string, string[]]>([
  [
    "example.com/foo/image",
    [
      "mirror-0.local/mirror-for-foo/image:latest",
      "mirror-1.local/mirrors/foo/image:latest insecure",
      "internal.example.net/bar/image:latest",
    ],
  ],
  ["registry.com/image", ["mirror.registry.com/image:latest", "registry.com/image:latest"]],
  ["example.com/foobar", ["example.com/foobar:latest"]],
  ["example.com:5000/foo/image", ["example.com:5000/foo/image:latest"]],
  ["registry.com:5000/image", ["mirror.registry.com:5000/image:latest", "registry.com:5000/image:latest"]],
  ["alpine", ["hub.local/lib/alpine:latest"]],
  ["docker.io/team/app", ["docker.io/team/app:latest"]],
  ["a.b.wild.org/x", ["a.b.wild.org/x:latest insecure"]],
  ["a.wild.org:5000/x", ["a.wild.org:5000/x:latest insecure"]],
  ["wild.org/x", ["wild.org/x:latest"]],
  ["xwild.org/x", ["xwild.org/x:latest"]],
  ["evil.org/a.wild.org/x", ["evil.org/a.wild.org/x:latest"]],
  ["own.wild.org/x", ["own.wild.org/x/x:latest"]],
  ["a.moved.org:5000/x", ["new.org:5000/x:latest"]],
  ["rules.org/x", ["always.org/x:latest", "tags.org/x:latest", "rules.org/x:latest"]],
  [`rules.org/x@${DIGEST}`, [`always.org/x@${DIGEST}`, `digests.org/x@${DIGEST}`, `rules.org/x@${DIGEST}`]],
  ["rules.org/pinned:v1", ["rules.org/other:v2"]],
  ["elsewhere.org/x", ["elsewhere.org/x:latest"]],
])("%s is pulled from", (name, expected) => {
  const endpoints = pullEndpoints(parseImageName(name), ENTRIES);
  expect(endpoints.map((endpoint) => imageName(endpoint) + (endpoint.insecure ? " insecure" : ""))).toEqual(expected);
});

test.each([
  ["blocked.org/ns/x", "TRANSPORT"],
  ["blocked.org/nsx", undefined],
  ["wrong.org/x", "REGISTRY_CONFIG_INVALID"],
])("%s: %s", (name, code) => expect(codeOf(() => pullEndpoints(parseImageName(name), ENTRIES))).toBe(code));

test.each([
  ["example.com/foo/image", "example.com/foo/image:latest", false],
  ["a.wild.org/x", "a.wild.org/x:latest", true],
  ["elsewhere.org/x", "elsewhere.org/x:latest", false],
])("%s is pushed to itself", (name, expected, insecure) => {
  const endpoint = pushEndpoint(parseImageName(name), ENTRIES);
  expect([imageName(endpoint), endpoint.insecure]).toEqual([expected, insecure]);
});

test("nothing is pushed to a blocked registry", () => {
  expect(codeOf(() => pushEndpoint(parseImageName("blocked.org/ns/x"), ENTRIES))).toBe("TRANSPORT");
});
