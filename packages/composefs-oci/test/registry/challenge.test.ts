import fc from "fast-check";
import { expect, test } from "vitest";
import { parseChallenges } from "../../src/registry/challenge.ts";

test.each<[string, [string, Record<string, string>][]]>([
  ['Basic realm="r"', [["basic", { realm: "r" }]]],
  ["Basic", [["basic", {}]]],
  [
    "Negotiate, Basic",
    [
      ["negotiate", {}],
      ["basic", {}],
    ],
  ],
  // Docker's hub, by its documentation.
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push"',
    [
      [
        "bearer",
        {
          realm: "https://auth.docker.io/token",
          service: "registry.docker.io",
          scope: "repository:samalba/my-app:pull,push",
        },
      ],
    ],
  ],
  ['BEARER Realm = "a" , SERVICE=b', [["bearer", { realm: "a", service: "b" }]]],
  ["Bearer realm=https://x/y?a=b,service=s", [["bearer", { realm: "https://x/y?a=b", service: "s" }]]],
  [
    'Bearer realm="a", Basic realm="b"',
    [
      ["bearer", { realm: "a" }],
      ["basic", { realm: "b" }],
    ],
  ],
  // RFC 9110 §11.6.1.
  [
    'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
    [
      ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
      ["basic", { realm: "simple" }],
    ],
  ],
  [
    "Negotiate YWJj/+==, Basic realm=x",
    [
      ["negotiate", {}],
      ["basic", { realm: "x" }],
    ],
  ],
  ['Bearer realm="open', [["bearer", {}]]],
  ["", []],
  [",,;", []],
  ["=", []],
])("%s", (header, expected) => {
  const parsed = parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);
  expect(parsed).toEqual(expected);
});

test("any header comes to an end", () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab=" ,\\/\t'), maxLength: 80 });
  fc.assert(
    fc.property(text, (header) => {
      for (const { scheme } of parseChallenges(header)) expect(scheme).not.toBe("");
    }),
  );
});
