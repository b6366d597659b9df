import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { registryEnvironment } from "../../src/registry/environment.ts";
import { loadRegistriesConf } from "../../src/registry/load-registries-conf.ts";
import { codeFrom } from "./scripted-registry.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "registries-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const MACHINE = "etc/containers/registries.conf";
const USER = "home/.config/containers/registries.conf";

/** Writes files that each say `location = WHO/PREFIX` for their prefixes, and reads what counts: `prefix=who`. */
async function load(files: Record<string, string[]>, env: NodeJS.ProcessEnv = {}): Promise<string[]> {
  for (const [name, prefixes] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    const who = name.replaceAll(/[^a-z0-9]/g, "");
    const tables = prefixes.map((prefix) => `[[registry]]\nprefix = "${prefix}"\nlocation = "${who}"\n`);
    writeFileSync(path, tables.join(""));
  }
  const environment = registryEnvironment({ env, home: join(dir, "home"), etc: join(dir, "etc") });
  const { registries } = await loadRegistriesConf(environment);
  return registries.map(({ prefix, location }) => `${prefix}=${location}`).sort();
}

test.each<[string, Record<string, string[]>, string[]]>([
  ["nothing", {}, []],
  ["the machine's file", { [MACHINE]: ["a"] }, ["a=etccontainersregistriesconf"]],
  ["the user's file in its place", { [MACHINE]: ["a"], [USER]: ["b"] }, ["b=homeconfigcontainersregistriesconf"]],
  [
    "drop-ins of both, later ones winning",
    {
      [MACHINE]: ["a", "b", "c", "d"],
      [`${MACHINE}.d/10.conf`]: ["b", "c", "d"],
      [`${MACHINE}.d/20.conf`]: ["c", "d"],
      [`${USER}.d/05.conf`]: ["d"],
    },
    [
      "a=etccontainersregistriesconf",
      "b=etccontainersregistriesconfd10conf",
      "c=etccontainersregistriesconfd20conf",
      "d=homeconfigcontainersregistriesconfd05conf",
    ],
  ],
  [
    "with the user's file, the user's drop-ins alone",
    { [USER]: ["a"], [`${MACHINE}.d/10.conf`]: ["b"], [`${USER}.d/10.conf`]: ["c"] },
    ["a=homeconfigcontainersregistriesconf", "c=homeconfigcontainersregistriesconfd10conf"],
  ],
  [
    "other names and directories are no drop-ins",
    { [`${MACHINE}.d/10.toml`]: ["a"], [`${MACHINE}.d/dir.conf/x`]: ["b"] },
    [],
  ],
])("%s", async (_, files, expected) => expect(await load(files)).toEqual(expected));

test("CONTAINERS_REGISTRIES_CONF replaces the files, not the drop-ins", async () => {
  const files = { [MACHINE]: ["a"], [USER]: ["b"], other: ["c"], [`${MACHINE}.d/1.conf`]: ["d"] };
  const env = { CONTAINERS_REGISTRIES_CONF: join(dir, "other") };
  expect(await load(files, env)).toEqual(["c=other", "d=etccontainersregistriesconfd1conf"]);
});

test("XDG_CONFIG_HOME", async () => {
  const env = { XDG_CONFIG_HOME: join(dir, "xdg") };
  expect(await load({ "xdg/containers/registries.conf": ["a"], [USER]: ["b"] }, env)).toEqual([
    "a=xdgcontainersregistriesconf",
  ]);
});

test("a file without end", async () => {
  expect(await codeFrom(load({}, { CONTAINERS_REGISTRIES_CONF: "/dev/zero" }))).toBe("REGISTRY_CONFIG_INVALID");
});
