import { describe, expect, test } from "vitest";
import { fallbackRoots, resolveStoreConfig, type StoreConfig } from "../src/store-config.ts";
import { codeOf } from "./code-of.ts";

const ETC = "/etc/containers/storage.conf";
const SHARE = "/usr/share/containers/storage.conf";
const USER = "/home/u/.config/containers/storage.conf";

interface Case {
  name: string;
  files?: Record<string, string>;
  env?: Record<string, string>;
  uid?: number;
  conf?: string;
  expected: Partial<StoreConfig>;
}

function resolve({ files = {}, env = {}, uid = 1000, conf }: Omit<Case, "name" | "expected">): StoreConfig {
  return resolveStoreConfig({ readFile: (path) => files[path] ?? null, env, uid, home: "/home/u", conf });
}

const table = (keys: Record<string, string>): string =>
  `[storage]\n${Object.entries(keys)
    .map(([key, value]) => `${key} = "${value}"`)
    .join("\n")}\n`;
const stores = (...paths: string[]): string => `[storage.options]\nadditionalimagestores = ${JSON.stringify(paths)}\n`;

describe("rootful", () => {
  test.each<Case>([
    {
      name: "defaults",
      expected: {
        driver: null,
        graphRoot: "/var/lib/containers/storage",
        runRoot: "/run/containers/storage",
        imageStore: null,
        additionalImageStores: [],
        file: null,
      },
    },
    {
      name: "/etc beats /usr/share, nothing is merged",
      files: { [ETC]: table({ graphroot: "/e" }), [SHARE]: table({ graphroot: "/s", driver: "vfs" }) + stores("/x") },
      expected: { graphRoot: "/e", driver: null, additionalImageStores: [], file: ETC },
    },
    {
      name: "/usr/share counts without /etc",
      files: { [SHARE]: table({ graphroot: "/s", runroot: "/r", imagestore: "/i" }) + stores("/x", "/y") },
      expected: { graphRoot: "/s", runRoot: "/r", imageStore: "/i", additionalImageStores: ["/x", "/y"], file: SHARE },
    },
    {
      name: "the user's file gives only roots that no other names",
      env: { XDG_CONFIG_HOME: "/home/u/.config" },
      files: {
        [ETC]: table({ graphroot: "/e" }),
        [USER]: table({ graphroot: "/u", runroot: "/ur", driver: "vfs" }) + stores("/x"),
      },
      expected: { graphRoot: "/e", runRoot: "/ur", driver: null, additionalImageStores: [], file: ETC },
    },
    {
      name: "overlay2 is overlay",
      files: { [ETC]: table({ driver: "overlay2" }) },
      expected: { driver: "overlay" },
    },
    {
      name: "STORAGE_DRIVER replaces the driver",
      env: { STORAGE_DRIVER: "vfs" },
      files: { [ETC]: table({ driver: "overlay" }) },
      expected: { driver: "vfs" },
    },
    {
      name: "STORAGE_OPTS replaces the image stores",
      env: { STORAGE_OPTS: "overlay.imagestore=/o,/p,overlay.mountopt=nodev" },
      files: { [ETC]: table({ graphroot: "/e" }) + stores("/x") },
      expected: { graphRoot: "/e", additionalImageStores: ["/o", "/p"] },
    },
    {
      name: "STORAGE_OPTS without a store leaves none",
      env: { STORAGE_OPTS: "overlay.mountopt=nodev" },
      files: { [ETC]: stores("/x") },
      expected: { additionalImageStores: [] },
    },
    {
      name: "CONTAINERS_STORAGE_CONF is the only file",
      env: { CONTAINERS_STORAGE_CONF: "/c", XDG_CONFIG_HOME: "/home/u/.config" },
      files: {
        "/c": table({ driver: "overlay" }),
        [ETC]: table({ graphroot: "/e" }),
        [USER]: table({ runroot: "/u" }),
      },
      expected: { graphRoot: "/var/lib/containers/storage", runRoot: "/run/containers/storage", file: "/c" },
    },
    {
      name: "the caller's file beats CONTAINERS_STORAGE_CONF",
      env: { CONTAINERS_STORAGE_CONF: "/missing" },
      conf: "/c",
      files: { "/c": table({ graphroot: "/g" }) },
      expected: { graphRoot: "/g", file: "/c" },
    },
    {
      name: "variables in paths",
      env: { POOL: "/pool" },
      files: { [ETC]: table({ graphroot: "$POOL/$UID", runroot: "\u0024{POOL}x/$NONE", imagestore: "$POOL/i" }) },
      expected: { graphRoot: "/pool/0", runRoot: "/poolx/", imageStore: "/pool/i" },
    },
  ])("$name", ({ expected, ...sources }) => {
    expect(resolve({ uid: 0, ...sources })).toMatchObject(expected);
  });
});

describe("rootless", () => {
  test.each<Case>([
    {
      name: "defaults",
      expected: { driver: null, graphRoot: "/home/u/.local/share/containers/storage", runRoot: null, file: null },
    },
    {
      name: "defaults with XDG variables",
      env: { XDG_DATA_HOME: "/data", XDG_RUNTIME_DIR: "/run/user/1000" },
      expected: { graphRoot: "/data/containers/storage", runRoot: "/run/user/1000/containers" },
    },
    {
      name: "of the system file only driver and rootless path",
      files: {
        [ETC]: `${table({ driver: "overlay", graphroot: "/e", runroot: "/r", rootless_storage_path: "/rl/$UID" })}${stores("/x")}`,
      },
      expected: {
        driver: "overlay",
        graphRoot: "/rl/1000",
        runRoot: null,
        imageStore: null,
        additionalImageStores: [],
        file: null,
      },
    },
    {
      name: "the user's file",
      files: {
        [USER]: `${table({ graphroot: "$HOME/g", runroot: "/ur", imagestore: "/i" })}${stores("/x")}`,
        [ETC]: table({ driver: "vfs", rootless_storage_path: "/rl" }),
      },
      env: { HOME: "/home/u" },
      expected: {
        driver: null,
        graphRoot: "/home/u/g",
        runRoot: "/ur",
        imageStore: "/i",
        additionalImageStores: ["/x"],
        file: USER,
      },
    },
    {
      name: "the rootless path of the user's file",
      files: { [USER]: table({ rootless_storage_path: "/mine" }), [ETC]: table({ rootless_storage_path: "/rl" }) },
      expected: { graphRoot: "/mine" },
    },
    {
      name: "the system's rootless path beside a user's file without one",
      files: { [USER]: table({ driver: "overlay" }), [ETC]: table({ rootless_storage_path: "/rl" }) },
      expected: { graphRoot: "/rl" },
    },
    {
      name: "XDG_CONFIG_HOME",
      env: { XDG_CONFIG_HOME: "/xdg" },
      files: { "/xdg/containers/storage.conf": table({ graphroot: "/g" }), [USER]: table({ graphroot: "/no" }) },
      expected: { graphRoot: "/g", file: "/xdg/containers/storage.conf" },
    },
    {
      name: "an empty XDG_CONFIG_HOME is none",
      env: { XDG_CONFIG_HOME: "" },
      files: { [USER]: table({ graphroot: "/g" }) },
      expected: { graphRoot: "/g" },
    },
    {
      name: "CONTAINERS_STORAGE_CONF hides user's and system's file",
      env: { CONTAINERS_STORAGE_CONF: "/c" },
      files: { "/c": "", [USER]: table({ graphroot: "/g" }), [ETC]: table({ rootless_storage_path: "/rl" }) },
      expected: { graphRoot: "/home/u/.local/share/containers/storage", file: "/c" },
    },
  ])("$name", ({ expected, ...sources }) => {
    expect(resolve(sources)).toMatchObject(expected);
  });
});

describe("errors", () => {
  test.each<Omit<Case, "expected"> & { code: string }>([
    { name: "a missing explicit file", env: { CONTAINERS_STORAGE_CONF: "/missing" }, code: "STORE_NOT_FOUND" },
    { name: "an empty CONTAINERS_STORAGE_CONF", env: { CONTAINERS_STORAGE_CONF: "" }, code: "STORE_NOT_FOUND" },
    { name: "a missing file of the caller", conf: "/missing", code: "STORE_NOT_FOUND" },
    { name: "a malformed file", files: { [USER]: "[storage" }, code: "STORE_CORRUPT" },
  ])("$name", ({ code, ...sources }) => {
    expect(codeOf(() => resolve(sources))).toBe(code);
  });
});

test.each<[env: Record<string, string>, roots: string[]]>([
  [{}, ["/home/u/.local/share/containers/storage", "/var/lib/containers/storage"]],
  [
    { XDG_DATA_HOME: "/data", STORAGE_OPTS: "additionalimagestore=/a" },
    ["/data/containers/storage", "/home/u/.local/share/containers/storage", "/var/lib/containers/storage", "/a"],
  ],
])("fallback roots with %o", (env, roots) => {
  expect(fallbackRoots({ env, home: "/home/u" })).toEqual(roots);
});
