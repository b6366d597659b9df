import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { registryEnvironment } from "../../src/registry/environment.ts";
import { tlsContext } from "../../src/registry/tls-settings.ts";
import { codeFrom } from "./scripted-registry.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tls-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function load(files: Record<string, string>): Promise<unknown> {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(dir, name, ".."), { recursive: true });
    writeFileSync(join(dir, name), content);
  }
  return tlsContext(registryEnvironment({ env: {}, home: join(dir, "home"), etc: join(dir, "etc") }), "my.io:5000");
}

const CERTS = ["home/.config/containers/certs.d", "etc/containers/certs.d", "etc/docker/certs.d"];

// Whether good certificates are used, tests/integration/registry.test.ts shows.
describe.each(CERTS.map((name) => [`${name}/my.io:5000`] as const))("%s", (certs) => {
  test.each<[string, Record<string, string>, string]>([
    ["is empty but for other files", { "README.txt": "x" }, "none"],
    ["has an authority that is none", { "ca.crt": "-----BEGIN CERTIFICATE-----\nx\n" }, "REGISTRY_CONFIG_INVALID"],
    ["has an authority that is not in PEM", { "ca.crt": "0\u0082" }, "REGISTRY_CONFIG_INVALID"],
    ["has a certificate without its key", { "client.cert": "x" }, "REGISTRY_CONFIG_INVALID"],
    ["has a certificate that is none", { "client.cert": "x", "client.key": "x" }, "REGISTRY_CONFIG_INVALID"],
  ])("%s", async (_, files, code) => {
    const placed = Object.entries(files).map(([name, content]) => [`${certs}/${name}`, content]);
    expect(await codeFrom(load(Object.fromEntries(placed)))).toBe(code);
  });
});

test("the first directory alone counts, and those of other hosts do not", async () => {
  const broken = "-----BEGIN CERTIFICATE-----\nx\n";
  const files = {
    [`${CERTS[0]}/my.io:5000/note`]: "",
    [`${CERTS[1]}/my.io:5000/ca.crt`]: broken,
    [`${CERTS[0]}/my.io/ca.crt`]: broken,
  };
  expect(await codeFrom(load(files))).toBe("none");
});
