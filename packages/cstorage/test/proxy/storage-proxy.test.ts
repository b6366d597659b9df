import { closeSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { layerTar } from "../../src/layer-tar.ts";
import { openFirstFile } from "../../src/open-first-file.ts";
import type { StoreLayer } from "../../src/store-layer.ts";
import { idOf, openFds, removeTempDirs, StoreDir, tempDir } from "../store-dir.ts";
import { type InProcessProxy, proxyOf, settled } from "./support.ts";

let store: StoreDir;
let before: number;
let open: InProcessProxy | null = null;

beforeEach(() => {
  store = new StoreDir();
  before = openFds();
});

afterEach(async () => {
  await open?.close();
  open = null;
  await settled();
  expect(openFds()).toBe(before);
  removeTempDirs();
});

async function opened(additional: readonly string[] = []): Promise<InProcessProxy> {
  open = await proxyOf(store.root, additional);
  return open;
}

async function tarOf(layer: StoreLayer): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const bytes of layerTar(layer, { verify: "diffid" })) parts.push(bytes);
  return Buffer.concat(parts);
}

/** So many names of at most 20 files, which is quicker to write; one in 20 is empty. */
const manyFiles = (count: number): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`v${i}/../d/f${i % 20}`, `content ${i % 20} `.repeat(i % 20)]),
  );

describe("says the same as the storage itself", () => {
  test("images, by list and by name, with manifest, config and layers", async () => {
    const base = store.layer("a1", { "usr/file": "x".repeat(100) });
    const top = store.layer("a2", { "usr/other": "y".repeat(100) }, { parent: "a1", lowers: ["a1"] });
    store.image("b1", ["localhost/one:latest", "localhost/uno:latest"], "a2", [base.diffId, top.diffId]);
    store.image("b2", [], "a1", [base.diffId]);
    const { storage, proxy } = await opened();
    const direct = await storage.images();
    const proxied = await proxy.images();
    expect(proxied.map(({ id, names, digest, root }) => ({ id, names, digest, root }))).toEqual(
      direct.map(({ id, names, digest, root }) => ({ id, names, digest, root })),
    );
    const image = await proxy.find("one");
    const expected = await storage.find("one");
    expect(image.id).toBe(expected.id);
    expect(Buffer.compare(await image.manifest(), await expected.manifest())).toBe(0);
    expect(Buffer.compare(await image.config(), await expected.config())).toBe(0);
    const layers = await image.layers();
    expect(layers.map(({ id, diffId, uncompressedSize, root }) => ({ id, diffId, uncompressedSize, root }))).toEqual(
      (await expected.layers()).map(({ id, diffId, uncompressedSize, root }) => ({
        id,
        diffId,
        uncompressedSize,
        root,
      })),
    );
    expect((await tarOf(layers[1] as StoreLayer)).equals(top.tar)).toBe(true);
  });

  test.each([0, 1, 252, 253, 254, 1500])("a layer of %d files", async (count) => {
    const { tar } = store.layer("a1", manyFiles(count));
    const { storage, proxy } = await opened();
    expect((await tarOf(await proxy.layer(idOf("a1")))).equals(tar)).toBe(true);
    expect((await tarOf(proxy.through(await storage.layer(idOf("a1"))))).equals(tar)).toBe(true);
  });

  test("files of all sizes, names that are not UTF-8, files of a lower and of another store", async () => {
    const other = new StoreDir();
    other.layer("a3", { "from/other": "other store" });
    store.layer("a1", { "from/lower": "lower" });
    const { tar } = store.layer(
      "a2",
      { large: Buffer.alloc(3 * 1024 * 1024 + 5, "l"), "from/lower": "lower", "from/other": "other store", end: "." },
      { lowers: ["a1", "a3"] },
    );
    for (const path of ["lower", "other"]) rmSync(join(store.root, `overlay/${idOf("a2")}/diff/from/${path}`));
    const { proxy } = await opened([other.root]);
    expect((await tarOf(await proxy.layer(idOf("a2")))).equals(tar)).toBe(true);
  });

  test("several layers at once", async () => {
    const tars = ["a1", "a2", "a3", "a4"].map((start, i) => store.layer(start, manyFiles(400 + i * 100)).tar);
    const { proxy } = await opened();
    const read = await Promise.all(["a1", "a2", "a3", "a4"].map(async (s) => tarOf(await proxy.layer(idOf(s)))));
    expect(read.map((tar, i) => tar.equals(tars[i] as Buffer))).toEqual([true, true, true, true]);
  });

  test("the first file, and a layer without any", async () => {
    store.layer("a1", manyFiles(2000));
    store.layer("a2", {});
    const { proxy } = await opened();
    const fd = (await openFirstFile(await proxy.layer(idOf("a1")))) as number;
    expect(readFileSync(fd, "utf8")).toBe("content 1 ");
    closeSync(fd);
    expect(await openFirstFile(await proxy.layer(idOf("a2")))).toBe(null);
  });
});

describe("fails with the same codes", () => {
  const file = (start: string, name: string): string => join(store.root, `overlay/${idOf(start)}/diff/${name}`);
  const faults: readonly [string, () => void][] = [
    ["FILE_NOT_FOUND", () => rmSync(file("a1", "d/f7"))],
    ["SIZE_MISMATCH", () => truncateSync(file("a1", "d/f7"), 1)],
    ["CONTENT_CHECKSUM_MISMATCH", () => writeFileSync(file("a1", "d/f7"), "x".repeat(10 * 7))],
    [
      "UNSAFE_PATH",
      () => {
        rmSync(file("a1", "d/f7"));
        symlinkSync("/etc/passwd", file("a1", "d/f7"));
      },
    ],
    ["TAR_SPLIT_MISSING", () => rmSync(join(store.root, `overlay-layers/${idOf("a1")}.tar-split.gz`))],
    [
      "TAR_SPLIT_CORRUPT",
      () => writeFileSync(join(store.root, `overlay-layers/${idOf("a1")}.tar-split.gz`), "no gzip"),
    ],
    ["LAYER_NOT_FOUND", () => store.forgetLayer("a1")],
  ];
  test.each(faults)("%s", async (code, damage) => {
    store.layer("a1", manyFiles(600));
    const { storage, proxy } = await opened();
    const layer = await storage.layer(idOf("a1"));
    damage();
    await expect(tarOf(layer)).rejects.toMatchObject({ code });
    await expect(tarOf(proxy.through(layer))).rejects.toMatchObject({ code, name: "CstorageError" });
  });

  test.each(["nothing-of-the-kind", "", "sha256:", "[overlay@/somewhere/else]x"])("find %j", async (reference) => {
    store.image("b1", ["localhost/one:latest"], null, []);
    const { storage, proxy } = await opened();
    const direct = await storage.find(reference).catch((error: unknown) => error);
    const { code, details, hint, message } = direct as Record<string, unknown>;
    await expect(proxy.find(reference)).rejects.toMatchObject({ code, details, message, ...(hint ? { hint } : {}) });
  });

  test("a layer whose digest is not the one that was looked up", async () => {
    store.layer("a1", {});
    const { storage, proxy } = await opened();
    const layer = { ...(await storage.layer(idOf("a1"))), diffId: `sha256:${"0".repeat(64)}` };
    await expect(proxy.through(layer).open()).rejects.toMatchObject({ code: "DIFF_ID_MISMATCH" });
  });
});

describe("lets go of everything", () => {
  test("a reader that stops in the middle, and one that never starts", async () => {
    store.layer("a1", manyFiles(4000));
    const { proxy } = await opened();
    const inUse = openFds();
    const layer = await proxy.layer(idOf("a1"));
    for await (const _ of layerTar(layer)) break;
    const content = await layer.open();
    await content.close();
    await settled();
    expect(openFds()).toBe(inUse);
    // The connection is as good as before.
    expect((await proxy.layer(idOf("a1"))).id).toBe(idOf("a1"));
  });

  test("an aborted reader, with the reason of its signal", async () => {
    store.layer("a1", manyFiles(4000));
    const { proxy } = await opened();
    const inUse = openFds();
    const aborter = new AbortController();
    const layer = await proxy.layer(idOf("a1"));
    const content = await layer.open({ signal: aborter.signal });
    const read = async (): Promise<void> => {
      for await (const batch of content.batches({ signal: aborter.signal })) {
        aborter.abort(new Error("enough"));
        batch.content.release();
      }
    };
    await expect(read()).rejects.toThrow("enough");
    await content.close();
    await expect(layer.open({ signal: AbortSignal.abort(new Error("never")) })).rejects.toThrow("never");
    await settled();
    expect(openFds()).toBe(inUse);
  });

  test("a slow reader holds a bounded number of descriptors", async () => {
    store.layer("a1", manyFiles(8000));
    const { proxy } = await opened();
    const inUse = openFds();
    const content = await (await proxy.layer(idOf("a1"))).open();
    await expect.poll(() => openFds() - inUse).toBeGreaterThan(253);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const held = openFds() - inUse;
    // Eight runs in flight, one open at the helper, which is this process, too; besides lock and directories.
    expect(held).toBeLessThan(9 * 253 + 20);
    await content.close();
    await settled();
    expect(openFds()).toBe(inUse);
  });

  test("the descriptors of a batch, used after they were released, are refused", async () => {
    store.layer("a1", manyFiles(10));
    const { proxy } = await opened();
    const content = await (await proxy.layer(idOf("a1"))).open();
    for await (const batch of content.batches()) {
      batch.content.release();
      await expect(batch.content.open(0)).rejects.toThrow(TypeError);
      await expect(batch.content.read(0, 1, 100)).rejects.toThrow(TypeError);
    }
    await content.close();
  });

  test("the proxy closed while a layer is read", async () => {
    store.layer("a1", manyFiles(4000));
    const { proxy } = await opened();
    const content = await (await proxy.layer(idOf("a1"))).open();
    const batches = content.batches();
    await batches.next();
    await proxy.close();
    await expect(
      (async () => {
        for await (const { content: files } of batches) files.release();
      })(),
    ).rejects.toThrow();
    await content.close();
    await expect(proxy.images()).rejects.toThrow();
  });
});

test("a directory that is no store", async () => {
  const { proxy, storage } = await opened();
  await proxy.close();
  const empty = tempDir();
  const lies = Object.assign(Object.create(Object.getPrototypeOf(storage)), {
    stores: [{ root: empty, role: "primary" }],
  });
  await expect(proxyOfStorage(lies)).rejects.toMatchObject({ code: "STORE_NOT_FOUND" });
});

async function proxyOfStorage(storage: InProcessProxy["storage"]): Promise<void> {
  const { FdSocket } = await import("@composefs/splitfdstream");
  const { HelperConnection } = await import("../../src/proxy/connection.ts");
  const { serveStores } = await import("../../src/proxy/helper.ts");
  const { StorageProxy } = await import("../../src/proxy/storage-proxy.ts");
  const [ours, theirs] = FdSocket.pair();
  const served = serveStores(theirs);
  const connection = new HelperConnection(ours, async () => "gone");
  try {
    await StorageProxy.connect(connection, storage);
  } finally {
    await connection.close();
    await served;
  }
}
