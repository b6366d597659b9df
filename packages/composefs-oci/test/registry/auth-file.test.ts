import { expect, test } from "vitest";
import { findAuth } from "../../src/registry/auth-file.ts";

const auth = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString("base64") });
const inline = (user: string, password: string): object => ({
  kind: "inline",
  credentials: { kind: "password", user, password },
});

/** The order of containers-auth.json(5). */
const NESTED = {
  auths: {
    "my.io/ns/user/image": auth("image:1"),
    "my.io/ns/user": auth("user:2"),
    "my.io/ns": auth("ns:3"),
    "my.io": auth("host:4"),
  },
};

test.each<[string, object, string, string, object | null]>([
  ["the image itself", NESTED, "my.io", "ns/user/image", inline("image", "1")],
  ["its parent", NESTED, "my.io", "ns/user/other", inline("user", "2")],
  ["its grandparent", NESTED, "my.io", "ns/x/y", inline("ns", "3")],
  ["no part of a name", NESTED, "my.io", "ns2/x", inline("host", "4")],
  ["another port", NESTED, "my.io:5000", "ns/x", null],
  ["nothing at all", {}, "my.io", "a", null],
  ["null", { auths: null }, "my.io", "a", null],
  ["an entry without credentials", { auths: { "my.io": {} } }, "my.io", "a", null],
  ["a name of every object", { auths: {} }, "my.io", "constructor", null],
  ["a URL", { auths: { "https://my.io": auth("a:b") } }, "my.io", "x", inline("a", "b")],
  ["a URL with a path", { auths: { "http://my.io:5000/v1/": auth("a:b") } }, "my.io:5000", "x", inline("a", "b")],
  [
    "docker's hub",
    { auths: { "https://index.docker.io/v1/": auth("a:b") } },
    "docker.io",
    "library/x",
    inline("a", "b"),
  ],
  ["docker's hub by name", { auths: { "docker.io": auth("a:b") } }, "docker.io", "library/x", inline("a", "b")],
  ["docker's hub by host", { auths: { "index.docker.io": auth("a:b") } }, "docker.io", "team/x", inline("a", "b")],
  ["docker's hub for others", { auths: { "https://index.docker.io/v1/": auth("a:b") } }, "my.io", "x", null],
  ["colons and padding", { auths: { "my.io": auth("a:b:c\0\0") } }, "my.io", "x", inline("a", "b:c")],
  ["an empty password", { auths: { "my.io": auth("a:") } }, "my.io", "x", inline("a", "")],
  [
    "an identity token",
    { auths: { "my.io": { ...auth("a:"), identitytoken: "t" } } },
    "my.io",
    "x",
    { kind: "inline", credentials: { kind: "identity-token", token: "t" } },
  ],
  [
    "a helper of the host",
    { credHelpers: { "my.io": "h" }, credsStore: "s", ...NESTED },
    "my.io",
    "ns/user/image",
    { kind: "helper", helper: "h", server: "my.io" },
  ],
  [
    "a helper of docker's hub",
    { credHelpers: { "https://index.docker.io/v1/": "h" } },
    "docker.io",
    "x/y",
    { kind: "helper", helper: "h", server: "https://index.docker.io/v1/" },
  ],
  ["the store of all", { credsStore: "s" }, "my.io", "x", { kind: "helper", helper: "s", server: "my.io" }],
  ["what stands there before the store", { credsStore: "s", ...NESTED }, "my.io", "x", inline("host", "4")],
  [
    "the store behind an empty entry",
    { auths: { "my.io": {} }, credsStore: "s" },
    "my.io",
    "x",
    { kind: "helper", helper: "s", server: "my.io" },
  ],
])("%s", (_, file, host, repository, expected) => {
  expect(findAuth(JSON.stringify(file), "f", host, repository)).toEqual(expected);
});

test.each([
  ["no JSON", '{"auths": {"my.io": {"auth": "c2VjcmV0"'],
  ["no object", '["c2VjcmV0"]'],
  ["auths is no object", '{"auths": "c2VjcmV0"}'],
  ["an entry is no object", '{"auths": {"my.io": "c2VjcmV0"}}'],
  ["auth is no string", '{"auths": {"my.io": {"auth": ["c2VjcmV0"]}}}'],
  ["auth without a colon", '{"auths": {"my.io": {"auth": "c2VjcmV0"}}}'],
  ["auth without a user", `{"auths": {"my.io": {"auth": "${auth(":secret").auth}"}}}`],
  ["credHelpers is no object", '{"credHelpers": "c2VjcmV0"}'],
  ["a helper with a path", '{"credHelpers": {"my.io": "../../bin/sh"}}'],
  ["a store with a path", '{"credsStore": "a/b"}'],
  ["a helper that is no string", '{"credHelpers": {"my.io": 7}}'],
])("%s: an error that shows no secret", (_, text) => {
  let error: Error & { code?: string } = new Error("none");
  try {
    findAuth(text, "f", "my.io", "x");
  } catch (thrown) {
    error = thrown as Error;
  }
  expect(error.code).toBe("REGISTRY_CONFIG_INVALID");
  expect(`${error.message}${JSON.stringify(error)}${String(error.cause)}`).not.toMatch(/c2VjcmV0|secret/);
});
