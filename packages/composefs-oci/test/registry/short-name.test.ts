import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseAliases } from "../../src/registry/aliases.ts";
import { registryEnvironment } from "../../src/registry/environment.ts";
import { resolveShortName } from "../../src/registry/short-name.ts";
import { codeOf } from "../code-of.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "short-name-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const MACHINE = "etc/containers/registries.conf";
const WRITTEN = "cache/containers/short-name-aliases.conf";

function write(name: string, text: string): void {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), text);
}

const environment = () => ({
  env: {},
  home: join(dir, "home"),
  etc: join(dir, "etc"),
  cacheHome: join(dir, "cache"),
});

async function resolve(name: string): Promise<string | null> {
  return (await resolveShortName(name, environment()))?.reference ?? null;
}

// containers-registries.conf(5), Short-Name Aliasing; what is expected is what podman 4.3 pulls.
describe("aliases", () => {
  beforeEach(() =>
    write(MACHINE, '[aliases]\n"fedora" = "registry.fedoraproject.org/fedora"\n"a/b" = "localhost/c"\n'),
  );

  const digest = `sha256:${"0".repeat(64)}`;
  test.each([
    ["fedora", "docker://registry.fedoraproject.org/fedora"],
    ["fedora:40", "docker://registry.fedoraproject.org/fedora:40"],
    [`fedora@${digest}`, `docker://registry.fedoraproject.org/fedora@${digest}`],
    [`fedora:40@${digest}`, `docker://registry.fedoraproject.org/fedora:40@${digest}`],
    ["a/b:x", "docker://localhost/c:x"],
    ["other", null],
    ["b", null],
    ["fedora/x", null],
    ["docker.io/fedora", null],
    ["localhost/fedora", null],
    ["localhost:5000/fedora", null],
    ["Fedora", null],
    ["/fedora", null],
    ["", null],
    [":40", null],
    ["toString", null],
    ["constructor", null],
  ])("%s is %s", async (name, reference) => expect(await resolve(name)).toBe(reference));

  test("says which file has it", async () => {
    const resolved = await resolveShortName("fedora", environment());
    expect(resolved?.file).toBe(join(dir, MACHINE));
  });

  test("drop-ins change them and take them back", async () => {
    write(`${MACHINE}.d/10.conf`, '[aliases]\nfedora = "quay.io/fedora"\n"a/b" = ""\n');
    expect(await resolve("fedora")).toBe("docker://quay.io/fedora");
    expect(await resolve("a/b")).toBeNull();
  });

  test("those that podman wrote down come first", async () => {
    write(WRITTEN, '[aliases]\n  "fedora" = "quay.io/mine"\n  "a/b" = ""\n  "new" = "quay.io/new"\n');
    expect(await resolve("fedora:1")).toBe("docker://quay.io/mine:1");
    expect(await resolve("a/b")).toBeNull();
    expect(await resolve("new")).toBe("docker://quay.io/new");
  });

  test("no registry is searched", async () => {
    write(MACHINE, 'unqualified-search-registries = ["quay.io"]\nshort-name-mode = "permissive"\n');
    expect(await resolve("fedora")).toBeNull();
  });

  test("a broken file is told of", async () => {
    write(WRITTEN, "[aliases");
    await expect(resolve("fedora")).rejects.toMatchObject({
      code: "REGISTRY_CONFIG_INVALID",
      message: expect.stringContaining(WRITTEN),
    });
  });
});

test("without any file", async () => expect(await resolve("fedora")).toBeNull());

test("where podman writes them down", () => {
  const cacheOf = (uid: number, env: NodeJS.ProcessEnv) => registryEnvironment({ env, home: "/h", uid }).cacheHome;
  expect(cacheOf(0, { XDG_CACHE_HOME: "/c" })).toBe("/var/cache");
  expect(cacheOf(1000, { XDG_CACHE_HOME: "/c" })).toBe("/c");
  expect(cacheOf(1000, {})).toBe("/h/.cache");
});

test.each<[string, unknown]>([
  ["a list", []],
  ["a text", "x"],
  ["a short name with a host", { "quay.io/x": "quay.io/y" }],
  ["a short name of localhost", { "localhost/x": "quay.io/y" }],
  ["a short name with a port", { "x:5000/y": "quay.io/y" }],
  ["a short name with a tag", { "x:1": "quay.io/x" }],
  ["a short name with a digest", { [`x@sha256:${"0".repeat(64)}`]: "quay.io/x" }],
  ["an empty short name", { "": "quay.io/x" }],
  ["a short name in upper case", { X: "quay.io/x" }],
  ["a full name without a host", { x: "x" }],
  ["a full name with another short one", { x: "library/x" }],
  ["a full name with a tag", { x: "quay.io/x:1" }],
  ["a full name with a digest", { x: `quay.io/x@sha256:${"0".repeat(64)}` }],
  ["a full name with a transport", { x: "docker://quay.io/x" }],
  ["a full name of a host alone", { x: "quay.io/" }],
  ["no text", { x: 7 }],
])("refused: %s", (_, table) => {
  expect(codeOf(() => parseAliases(table, "f"))).toBe("REGISTRY_CONFIG_INVALID");
});
