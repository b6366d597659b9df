import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bigDataFileName } from "../src/big-data-name.ts";
import { discoverStores } from "../src/discover.ts";
import type { Storage } from "../src/storage.ts";
import type { StoreImage } from "../src/store-image.ts";
import { idOf, openFds, removeTempDirs, StoreDir, sha256 } from "./store-dir.ts";

let store: StoreDir;
let storage: Storage | undefined;

beforeEach(() => {
  store = new StoreDir();
});

afterEach(async () => {
  await storage?.close();
  storage = undefined;
  removeTempDirs();
});

async function find(text: string, additional: readonly string[] = []): Promise<StoreImage> {
  storage ??= await discoverStores({ root: store.root, additional, env: {} });
  return storage.find(text);
}

test("gives manifest, config and layers, base first", async () => {
  const base = store.layer("a1", { a: "1" });
  const top = store.layer("a2", { b: "2" }, { parent: "a1", lowers: ["a1"] });
  const made = store.image("c1", ["localhost/app:latest"], "a2", [base.diffId, top.diffId]);
  const image = await find("app");
  expect(image).toMatchObject({
    id: made.id,
    names: ["localhost/app:latest"],
    digest: sha256(made.manifest),
    root: store.root,
  });
  expect(await image.manifest()).toEqual(made.manifest);
  expect(await image.config()).toEqual(made.config);
  const layers = await image.layers();
  expect(layers.map(({ id, diffId, uncompressedSize }) => [id, diffId, uncompressedSize])).toEqual([
    [base.id, base.diffId, base.tar.length],
    [top.id, top.diffId, top.tar.length],
  ]);
});

test("lists images store by store", async () => {
  const other = new StoreDir();
  store.image("c1", ["localhost/a:latest"], null, []);
  store.image("c2", [], null, []);
  other.image("c3", ["localhost/b:latest"], null, []);
  await find("a", [other.root]);
  expect((await storage?.images())?.map(({ id, root }) => [id, root])).toEqual([
    [idOf("c1"), store.root],
    [idOf("c2"), store.root],
    [idOf("c3"), other.root],
  ]);
});

test("an image without layers has none", async () => {
  store.image("c1", ["localhost/a:latest"], null, []);
  expect(await (await find("a")).layers()).toEqual([]);
});

test("a parent may lie in another store", async () => {
  const other = new StoreDir();
  const base = other.layer("a1", { a: "1" });
  const top = store.layer("a2", { b: "2" }, { parent: "a1", lowers: ["a1"] });
  store.image("c1", ["localhost/app:latest"], "a2", [base.diffId, top.diffId]);
  const layers = await (await find("app", [other.root])).layers();
  expect(layers.map(({ id, root }) => [id, root])).toEqual([
    [base.id, other.root],
    [top.id, store.root],
  ]);
});

test("a claimed diff id will do for a layer stored by its table of contents", async () => {
  const diffId = sha256("claimed");
  store.layer("a1", { a: "1" }, { record: { "diff-digest": "", flags: { "expected-layer-diffid": diffId } } });
  store.image("c1", ["localhost/app:latest"], "a1", [diffId]);
  expect((await (await find("app")).layers()).map((layer) => layer.diffId)).toEqual([diffId]);
});

test("an index rewritten meanwhile is read anew", async () => {
  store.image("c1", ["localhost/a:latest"], null, []);
  await find("a");
  store.image("c2", ["localhost/b:latest"], null, []);
  expect((await find("b")).id).toBe(idOf("c2"));
});

describe("layers that do not fit", () => {
  const cases: [name: string, build: () => void, code: string][] = [
    [
      "one more than the config has",
      () => {
        const made = store.layer("a1", {});
        store.layer("a2", {}, { parent: "a1" });
        store.image("c1", ["localhost/app:latest"], "a2", [made.diffId]);
      },
      "LAYER_COUNT_MISMATCH",
    ],
    [
      "no layer where the config has one",
      () => store.image("c1", ["localhost/app:latest"], null, [sha256("")]),
      "LAYER_COUNT_MISMATCH",
    ],
    [
      "another diff id",
      () => {
        store.layer("a1", { a: "1" });
        store.image("c1", ["localhost/app:latest"], "a1", [sha256("other")]);
      },
      "DIFF_ID_MISMATCH",
    ],
    [
      "another diff id and no tar-split",
      () => {
        store.layer("a1", { a: "1" });
        rmSync(join(store.root, `overlay-layers/${idOf("a1")}.tar-split.gz`));
        store.image("c1", ["localhost/app:latest"], "a1", [sha256("other")]);
      },
      "TAR_SPLIT_MISSING",
    ],
    [
      "a top layer nobody has",
      () => store.image("c1", ["localhost/app:latest"], "a1", [sha256("")]),
      "LAYER_NOT_FOUND",
    ],
    [
      "a parent nobody has",
      () => {
        const made = store.layer("a2", {}, { parent: "a1" });
        store.image("c1", ["localhost/app:latest"], "a2", [made.diffId, made.diffId]);
      },
      "LAYER_NOT_FOUND",
    ],
    [
      "an unfinished layer",
      () => {
        const made = store.layer("a1", {}, { record: { flags: { incomplete: true } } });
        store.image("c1", ["localhost/app:latest"], "a1", [made.diffId]);
      },
      "LAYER_NOT_FOUND",
    ],
    [
      "parents in a circle",
      () => {
        const made = store.layer("a1", {}, { parent: "a2" });
        store.layer("a2", {}, { parent: "a1" });
        store.image("c1", ["localhost/app:latest"], "a1", [made.diffId]);
      },
      "STORE_CORRUPT",
    ],
  ];
  test.each(cases)("%s", async (_, build, code) => {
    build();
    const image = await find("app");
    const before = openFds();
    await expect(image.layers()).rejects.toMatchObject({ code });
    expect(openFds()).toBe(before);
  });
});

describe("manifest and config that do not fit", () => {
  const manifestOf = (value: object): { manifest: Buffer; record: object } => {
    const manifest = Buffer.from(JSON.stringify(value));
    return { manifest, record: { "big-data-digests": { manifest: sha256(manifest) } } };
  };

  test.each<[name: string, change: object, code: string]>([
    ["other manifest bytes", { manifest: Buffer.from("{}") }, "STORE_CORRUPT"],
    ["other config bytes", { config: Buffer.from("{}") }, "STORE_CORRUPT"],
    ["an unknown digest of the manifest", { record: { "big-data-digests": { manifest: "md5:0" } } }, "STORE_CORRUPT"],
    ["a manifest list", manifestOf({ schemaVersion: 2, manifests: [] }), "MANIFEST_UNSUPPORTED"],
    ["schema 1", manifestOf({ schemaVersion: 1 }), "MANIFEST_UNSUPPORTED"],
    ["a config the store does not have", manifestOf({ config: { digest: sha256("none") } }), "STORE_CORRUPT"],
    ["a config digest that is a path", manifestOf({ config: { digest: "../../x" } }), "STORE_CORRUPT"],
  ])("%s", async (_, change, code) => {
    store.image("c1", ["localhost/app:latest"], null, [], change);
    await expect((await find("app")).config()).rejects.toMatchObject({ code });
  });

  test("a config stored as a link", async () => {
    const { config } = store.image("c1", ["localhost/app:latest"], null, []);
    const file = join(store.root, "overlay-images", idOf("c1"), bigDataFileName(sha256(config)));
    rmSync(file);
    const { symlinkSync } = await import("node:fs");
    symlinkSync("/etc/passwd", file);
    await expect((await find("app")).config()).rejects.toMatchObject({ code: "UNSAFE_PATH" });
  });

  test("an image removed meanwhile", async () => {
    store.image("c1", ["localhost/app:latest"], null, []);
    const image = await find("app");
    writeFileSync(join(store.root, "overlay-images/images.json"), "[]");
    await expect(image.manifest()).rejects.toMatchObject({ code: "STORE_IMAGE_NOT_FOUND" });
  });
});

describe("a reference with a store of its own", () => {
  test("is found in that store", async () => {
    store.image("c1", ["localhost/app:latest"], null, []);
    expect((await find(`[overlay@${store.root}]app`)).id).toBe(idOf("c1"));
    expect((await find(`[${store.root}/]app`)).id).toBe(idOf("c1"));
  });

  test("is refused by another", async () => {
    await expect(find("[/nonexistent]app")).rejects.toMatchObject({ code: "REF_INVALID" });
  });
});

test("after closing nothing is read", async () => {
  store.image("c1", ["localhost/app:latest"], null, []);
  const image = await find("app");
  await storage?.close();
  await expect(image.manifest()).rejects.toThrow("closed");
});

test("nothing is written", async () => {
  const made = store.layer("a1", { a: "1" });
  store.image("c1", ["localhost/app:latest"], "a1", [made.diffId]);
  const files = [
    "overlay-layers",
    "overlay-layers/layers.lock",
    "overlay-images",
    "overlay-images/images.lock",
    "overlay",
  ];
  const times = (): number[] => files.map((file) => statSync(join(store.root, file)).ctimeMs);
  const before = times();
  const [layer] = await (await find("app")).layers();
  await (await layer?.open())?.close();
  expect(times()).toEqual(before);
});
