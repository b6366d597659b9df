import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { discoverStores, type StoreSearch } from "../src/discover.ts";
import type { Storage } from "../src/storage.ts";
import { openFds, removeTempDirs, StoreDir, tempDir } from "./store-dir.ts";

const opened: Storage[] = [];

afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close();
  removeTempDirs();
});

/** Searches with an environment of its own, so that the machine's storage stays out of it. */
async function discover(search: StoreSearch): Promise<Storage> {
  const storage = await discoverStores({ uid: 1000, ...search, env: { HOME: "/nonexistent", ...search.env } });
  opened.push(storage);
  return storage;
}

function writeConf(text: string): string {
  const file = join(tempDir(), "storage.conf");
  writeFileSync(file, text);
  return file;
}

const roles = (storage: Storage) => storage.stores.map(({ root, role }) => [root, role]);

describe("the primary store", () => {
  test("from root", async () => {
    const { root } = new StoreDir();
    expect(roles(await discover({ root }))).toEqual([[root, "primary"]]);
  });

  test("root by its real path", async () => {
    const { root } = new StoreDir();
    const link = join(tempDir(), "link");
    symlinkSync(root, link);
    expect((await discover({ root: link })).roots).toEqual([root]);
  });

  test("from the reference's own store, with its image stores", async () => {
    const [store, images] = [new StoreDir(), new StoreDir()];
    const reference = `[overlay@${store.root}+/run:overlay.imagestore=${images.root}]app`;
    const env = { CONTAINERS_STORAGE_ROOT: "/nonexistent/env" };
    expect(roles(await discover({ reference, env }))).toEqual([
      [store.root, "primary"],
      [images.root, "additional"],
    ]);
  });

  test("from CONTAINERS_STORAGE_ROOT, with the image stores of STORAGE_OPTS", async () => {
    const [store, images] = [new StoreDir(), new StoreDir()];
    const env = {
      CONTAINERS_STORAGE_ROOT: store.root,
      CONTAINERS_STORAGE_CONF: "/nonexistent/conf",
      STORAGE_OPTS: `additionalimagestore=${images.root}`,
    };
    expect(roles(await discover({ env }))).toEqual([
      [store.root, "primary"],
      [images.root, "additional"],
    ]);
  });

  test("from the configuration", async () => {
    const [store, first, second] = [new StoreDir(), new StoreDir(), new StoreDir()];
    const conf = writeConf(`[storage]
driver = "overlay"
graphroot = "${store.root}"
[storage.options]
additionalimagestores = ["${first.root}", "/nonexistent/store", "${second.root}", "${first.root}"]`);
    const storage = await discover({ env: { CONTAINERS_STORAGE_CONF: conf } });
    expect(storage.roots).toEqual([store.root, first.root, second.root]);
    expect(storage.warnings.length).toBe(1);
  });

  test("from the caller's configuration rather than the environment", async () => {
    const [store, other] = [new StoreDir(), new StoreDir()];
    const conf = writeConf(`[storage]\ngraphroot = "${store.root}"`);
    const storage = await discover({ conf, env: { CONTAINERS_STORAGE_ROOT: other.root } });
    expect(storage.roots).toEqual([store.root]);
  });

  test("from the usual places when the configured root holds none", async () => {
    const home = tempDir();
    const { root } = new StoreDir(join(home, ".local/share/containers/storage"));
    const data = new StoreDir(join(tempDir(), "containers/storage"));
    const conf = writeConf('[storage]\ngraphroot = "/nonexistent/root"');
    const env = { HOME: home, XDG_DATA_HOME: join(data.root, "../.."), CONTAINERS_STORAGE_CONF: conf };
    expect(roles(await discover({ env })).slice(0, 2)).toEqual([
      [data.root, "primary"],
      [root, "additional"],
    ]);
  });
});

test("additional stores of the caller come before those of the configuration", async () => {
  const [store, mine, theirs] = [new StoreDir(), new StoreDir(), new StoreDir()];
  const conf = writeConf(
    `[storage]\ngraphroot = "${store.root}"\n[storage.options]\nadditionalimagestores = ["${theirs.root}"]`,
  );
  expect((await discover({ conf, additional: [mine.root] })).roots).toEqual([store.root, mine.root, theirs.root]);
});

describe("a split store", () => {
  function splitStore(): { primary: StoreDir; images: StoreDir; conf: string } {
    const [primary, images] = [new StoreDir(), new StoreDir()];
    rmSync(join(primary.root, "overlay-images"), { recursive: true });
    const conf = writeConf(`[storage]\ngraphroot = "${primary.root}"\nimagestore = "${images.root}"`);
    return { primary, images, conf };
  }

  test("has its images in the second root and its tar-splits in the first", async () => {
    const { primary, images, conf } = splitStore();
    const made = images.layer("a1", { f: "content" }, { tarSplitRoot: primary.root });
    images.image("1", ["localhost/app:latest"], "a1", [made.diffId]);
    const storage = await discover({ conf });
    expect(roles(storage)).toEqual([
      [primary.root, "primary"],
      [images.root, "imagestore"],
    ]);
    const [layer] = await (await storage.find("app")).layers();
    const content = await layer?.open();
    expect(content?.id).toBe(made.id);
    await content?.close();
  });

  test("may lack its second root", async () => {
    const { images, conf } = splitStore();
    rmSync(images.root, { recursive: true });
    const storage = await discover({ conf });
    expect(storage.stores.length).toBe(1);
    expect(storage.warnings.length).toBe(1);
    expect(await storage.images()).toEqual([]);
  });
});

describe("refuses", () => {
  test("a root that does not exist, naming it", async () => {
    await expect(discover({ root: "/nonexistent/root" })).rejects.toMatchObject({
      code: "STORE_NOT_FOUND",
      details: { tried: ["/nonexistent/root"] },
    });
  });

  test("a directory without a store", async () => {
    await expect(discover({ root: tempDir() })).rejects.toMatchObject({ code: "STORE_NOT_FOUND" });
  });

  test("CONTAINERS_STORAGE_ROOT without a store", async () => {
    const env = { CONTAINERS_STORAGE_ROOT: "/nonexistent/root" };
    await expect(discover({ env })).rejects.toMatchObject({ code: "STORE_NOT_FOUND" });
  });

  test("the caller's configuration when its root holds none", async () => {
    const conf = writeConf('[storage]\ngraphroot = "/nonexistent/root"');
    await expect(discover({ conf })).rejects.toMatchObject({ details: { tried: ["/nonexistent/root"] } });
  });

  test("a store of another driver", async () => {
    const root = tempDir();
    for (const name of ["vfs", "vfs-layers", "vfs-images"]) mkdirSync(join(root, name));
    await expect(discover({ root })).rejects.toMatchObject({
      code: "UNSUPPORTED_DRIVER",
      details: { root, drivers: ["vfs"] },
    });
  });

  test.each(["[vfs@ROOT]app"])("another driver in the reference %s", async (reference) => {
    const { root } = new StoreDir();
    await expect(discover({ reference: reference.replace("ROOT", root) })).rejects.toMatchObject({
      code: "UNSUPPORTED_DRIVER",
    });
  });

  test("another driver in STORAGE_DRIVER, but not overlay2", async () => {
    const { root } = new StoreDir();
    const conf = writeConf(`[storage]\ngraphroot = "${root}"`);
    await expect(discover({ conf, env: { STORAGE_DRIVER: "vfs" } })).rejects.toMatchObject({
      code: "UNSUPPORTED_DRIVER",
    });
    expect((await discover({ conf, env: { STORAGE_DRIVER: "overlay2" } })).roots).toEqual([root]);
  });

  test("a structure that is a link", async () => {
    const store = new StoreDir();
    rmSync(join(store.root, "overlay-layers"), { recursive: true });
    symlinkSync("/etc", join(store.root, "overlay-layers"));
    await expect(discover({ root: store.root })).rejects.toMatchObject({ code: "UNSAFE_PATH" });
  });

  test("with no descriptor left behind", async () => {
    const before = openFds();
    const [store, broken] = [new StoreDir(), new StoreDir()];
    rmSync(join(broken.root, "overlay-images"), { recursive: true });
    symlinkSync("/etc", join(broken.root, "overlay-images"));
    const conf = writeConf(`[storage]\ngraphroot = "${store.root}"\nimagestore = "${broken.root}"`);
    await expect(discover({ conf })).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    await expect(discover({ root: broken.root })).rejects.toMatchObject({ code: "UNSAFE_PATH" });
    await expect(discover({ root: tempDir() })).rejects.toMatchObject({ code: "STORE_NOT_FOUND" });
    expect(openFds()).toBe(before);
  });
});

test("an additional store that cannot be read spoils nothing", async () => {
  const [store, broken] = [new StoreDir(), tempDir()];
  mkdirSync(join(broken, "vfs-images"));
  const storage = await discover({ root: store.root, additional: [broken, "/dev/null", "/dev/null/x"] });
  expect(storage.roots).toEqual([store.root]);
  expect(storage.warnings.length).toBe(3);
});

test.skipIf(process.geteuid?.() === 0)("a root the user may not enter", async () => {
  const root = tempDir();
  chmodSync(root, 0);
  await expect(discover({ root: join(root, "storage") })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  chmodSync(root, 0o700);
});

test("closing lets go of every descriptor, once", async () => {
  const [store, other] = [new StoreDir(), new StoreDir()];
  const before = openFds();
  const storage = await discover({ root: store.root, additional: [other.root] });
  expect(openFds()).toBe(before + 6);
  await storage[Symbol.asyncDispose]();
  await storage.close();
  expect(openFds()).toBe(before);
});
