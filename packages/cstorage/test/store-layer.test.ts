import { closeSync, mkdirSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tryOfdLock } from "@composefs/reflink";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { discoverStores } from "../src/discover.ts";
import type { Storage } from "../src/storage.ts";
import { idOf, linkOf, openFds, removeTempDirs, StoreDir } from "./store-dir.ts";

let store: StoreDir;
let other: StoreDir;
let storage: Storage;

beforeEach(async () => {
  store = new StoreDir();
  other = new StoreDir();
  store.layer("a1", { base: "1" });
  store.layer("a2", { middle: "2" }, { parent: "a1", lowers: ["a1"] });
  storage = await discoverStores({ root: store.root, additional: [other.root], env: {} });
});

afterEach(async () => {
  await storage.close();
  removeTempDirs();
});

const readIn = (dir: number | undefined, name: string): string => readFileSync(`/proc/self/fd/${dir}/${name}`, "utf8");

test("opens the layer's directory and those of its lowers, nearest first", async () => {
  other.layer("b1", { far: "far" });
  store.layer("a3", { top: "3" }, { parent: "a2", lowers: ["a2", "b1", "a1"] });
  const before = openFds();
  const content = await (await storage.layer(idOf("a3"))).open();
  expect(["top", "middle", "far", "base"].map((name, i) => readIn(content.dirs[i], name))).toEqual([
    "3",
    "2",
    "far",
    "1",
  ]);
  await content.close();
  expect(openFds()).toBe(before);
});

test("passes over lowers that are gone", async () => {
  store.layer("a3", {}, { lowers: ["c9", "a2", "a1"] });
  rmSync(join(store.root, `overlay/${idOf("a2")}/diff`), { recursive: true });
  const content = await (await storage.layer(idOf("a3"))).open();
  expect(content.dirs.length).toBe(2);
  await content.close();
});

test("holds the shared lock from open to close, whatever becomes of the storage", async () => {
  const layer = await storage.layer(idOf("a1"));
  const writer = openSync(join(store.root, "overlay-layers/layers.lock"), "r+");
  const content = await layer.open();
  expect(tryOfdLock(writer, "exclusive")).toBe(false);
  await storage.close();
  expect(tryOfdLock(writer, "exclusive")).toBe(false);
  await content.close();
  expect(tryOfdLock(writer, "exclusive")).toBe(true);
  closeSync(writer);
  await expect(layer.open()).rejects.toThrow("closed");
});

test("waits for a writer no longer than told", async () => {
  const layer = await storage.layer(idOf("a1"));
  const writer = openSync(join(store.root, "overlay-layers/layers.lock"), "r+");
  tryOfdLock(writer, "exclusive");
  await expect(layer.open({ lockTimeoutMs: 20 })).rejects.toMatchObject({ code: "STORAGE_LOCKED" });
  closeSync(writer);
});

test("a store without lock files is read all the same", async () => {
  rmSync(join(store.root, "overlay-layers/layers.lock"));
  await (await (await storage.layer(idOf("a1"))).open()).close();
});

describe("refuses", () => {
  const layerPath = (...parts: string[]): string => join(store.root, "overlay", idOf("a2"), ...parts);
  const linkPath = (): string => join(store.root, "overlay/l", linkOf("a1"));
  const relink = (target: string): void => {
    rmSync(linkPath());
    symlinkSync(target, linkPath());
  };

  const cases: [name: string, change: () => void, code: string][] = [
    ["a layer no longer in the index", () => store.forgetLayer("a2"), "LAYER_NOT_FOUND"],
    [
      "a layer with another digest",
      () => {
        store.forgetLayer("a2");
        rmSync(layerPath(), { recursive: true });
        rmSync(join(store.root, "overlay/l", linkOf("a2")));
        store.layer("a2", { other: "content" });
      },
      "LAYER_NOT_FOUND",
    ],
    ["no diff", () => rmSync(layerPath("diff"), { recursive: true }), "LAYER_NOT_FOUND"],
    [
      "a file for diff, as additional layer stores have",
      () => {
        rmSync(layerPath("diff"), { recursive: true });
        writeFileSync(layerPath("diff"), "/elsewhere");
      },
      "LAYER_NOT_FOUND",
    ],
    [
      "a link for diff",
      () => {
        rmSync(layerPath("diff"), { recursive: true });
        symlinkSync("/etc", layerPath("diff"));
      },
      "UNSAFE_PATH",
    ],
    ["composefs data", () => mkdirSync(layerPath("composefs-data")), "UNSUPPORTED_ENTRY"],
    ["no tar-split", () => rmSync(join(store.root, `overlay-layers/${idOf("a2")}.tar-split.gz`)), "TAR_SPLIT_MISSING"],
    ["a lower that is a path", () => writeFileSync(layerPath("lower"), "l/../../../etc"), "STORE_CORRUPT"],
    ["a lower without l/", () => writeFileSync(layerPath("lower"), linkOf("a1")), "STORE_CORRUPT"],
    ["an empty lower", () => writeFileSync(layerPath("lower"), `l/${linkOf("a1")}:`), "STORE_CORRUPT"],
    [
      "too many lowers",
      () => writeFileSync(layerPath("lower"), Array.from({ length: 501 }, () => `l/${linkOf("a1")}`).join(":")),
      "STORE_CORRUPT",
    ],
    ["a link elsewhere", () => relink("/etc"), "STORE_CORRUPT"],
    ["a link to another directory of a layer", () => relink(`../${idOf("a1")}/work`), "STORE_CORRUPT"],
    [
      "a file for a link",
      () => {
        rmSync(linkPath());
        writeFileSync(linkPath(), "");
      },
      "STORE_CORRUPT",
    ],
    ["a malformed index", () => writeFileSync(join(store.root, "overlay-layers/layers.json"), "[{]"), "STORE_CORRUPT"],
  ];
  test.each(cases)("%s, leaving neither lock nor descriptor", async (_, change, code) => {
    const layer = await storage.layer(idOf("a2"));
    change();
    const before = openFds();
    await expect(layer.open()).rejects.toMatchObject({ code });
    expect(openFds()).toBe(before);
    const writer = openSync(join(store.root, "overlay-layers/layers.lock"), "r+");
    expect(tryOfdLock(writer, "exclusive")).toBe(true);
    closeSync(writer);
  });

  test("an id no store has", async () => {
    await expect(storage.layer(idOf("dd"))).rejects.toMatchObject({ code: "LAYER_NOT_FOUND" });
  });

  test.each([null, "", "md5:0"])("a layer whose digest is %j", async (digest) => {
    store.layer("ee", {}, { record: { "diff-digest": digest } });
    await expect(storage.layer(idOf("ee"))).rejects.toMatchObject({ code: "STORE_CORRUPT" });
  });
});

test("the layers of a split store are guarded by the lock of the graph root", async () => {
  const images = new StoreDir();
  images.layer("f1", { f: "1" }, { tarSplitRoot: store.root });
  const conf = join(other.root, "storage.conf");
  writeFileSync(conf, `[storage]\ngraphroot = "${store.root}"\nimagestore = "${images.root}"`);
  const split = await discoverStores({ conf, uid: 1000, env: {} });
  const content = await (await split.layer(idOf("f1"))).open();
  const writer = openSync(join(store.root, "overlay-layers/layers.lock"), "r+");
  expect(tryOfdLock(writer, "exclusive")).toBe(false);
  await content.close();
  expect(tryOfdLock(writer, "exclusive")).toBe(true);
  closeSync(writer);
  await split.close();
});
