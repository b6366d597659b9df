import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { discoverStores } from "../src/discover.ts";
import { type LayerTarOptions, layerTar } from "../src/layer-tar.ts";
import type { Storage } from "../src/storage.ts";
import { idOf, openFds, removeTempDirs, StoreDir } from "./store-dir.ts";

const MIB = 1024 * 1024;
/** Sizes around the border between files read in groups and files streamed, and around the pieces of the latter. */
const SIZES = [0, 1, 7, 8, 65, MIB - 1, MIB, MIB + 1, MIB + 3, 1.25 * MIB + 7, 3 * MIB];

let store: StoreDir;
let storage: Storage;

beforeEach(async () => {
  store = new StoreDir();
  storage = await discoverStores({ root: store.root, env: {} });
});

afterEach(async () => {
  await storage.close();
  removeTempDirs();
});

const contentOf = (size: number): Buffer => Buffer.alloc(size, `content of ${size} bytes, `);

async function read(start: string, options: LayerTarOptions = { verify: "diffid" }): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const bytes of layerTar(await storage.layer(idOf(start)), options)) parts.push(bytes);
  return Buffer.concat(parts);
}

test("rebuilds files of all sizes", async () => {
  const { tar } = store.layer("a1", Object.fromEntries(SIZES.map((size) => [`f${size}`, contentOf(size)])));
  const before = openFds();
  expect((await read("a1")).equals(tar)).toBe(true);
  expect(openFds()).toBe(before);
});

test("rebuilds more small files than a group holds", async () => {
  const names = Array.from({ length: 1200 }, (_, i) => [`d${i % 7}/f${i}`, contentOf(i * 17)]);
  const { tar } = store.layer("a1", Object.fromEntries(names));
  expect((await read("a1")).equals(tar)).toBe(true);
});

test.each([100, 2 * MIB])("finds a file of %d bytes that lies in a lower", async (size) => {
  store.layer("a1", { "base.txt": "1" });
  const { tar } = store.layer("a2", { "d/file": contentOf(size) }, { lowers: ["a1"] });
  mkdirSync(join(store.root, `overlay/${idOf("a1")}/diff/d`));
  renameSync(
    join(store.root, `overlay/${idOf("a2")}/diff/d/file`),
    join(store.root, `overlay/${idOf("a1")}/diff/d/file`),
  );
  expect((await read("a2")).equals(tar)).toBe(true);
});

describe.each([100, 2 * MIB])("a file of %d bytes", (size) => {
  let file: string;

  beforeEach(() => {
    store.layer("a1", { "d/file": contentOf(size) });
    file = join(store.root, `overlay/${idOf("a1")}/diff/d/file`);
  });

  const cases: [name: string, change: () => void, code: string][] = [
    ["missing", () => rmSync(file), "FILE_NOT_FOUND"],
    ["missing with its directory", () => rmSync(join(file, ".."), { recursive: true }), "FILE_NOT_FOUND"],
    ["longer", () => appendFileSync(file, "x"), "SIZE_MISMATCH"],
    ["shorter", () => truncateSync(file, size - 1), "SIZE_MISMATCH"],
    ["emptied", () => truncateSync(file, 0), "SIZE_MISMATCH"],
    [
      "changed in its last byte",
      () => {
        const fd = openSync(file, "r+");
        writeSync(fd, Buffer.from([0]), 0, 1, size - 1);
        closeSync(fd);
      },
      "CONTENT_CHECKSUM_MISMATCH",
    ],
    [
      "a directory",
      () => {
        rmSync(file);
        mkdirSync(file);
      },
      "NOT_REGULAR_FILE",
    ],
    [
      "a link",
      () => {
        renameSync(file, `${file}.old`);
        symlinkSync("file.old", file);
      },
      "UNSAFE_PATH",
    ],
    [
      "below a link that leads out",
      () => {
        rmSync(join(file, ".."), { recursive: true });
        const outside = join(store.root, "outside");
        mkdirSync(outside);
        writeFileSync(join(outside, "file"), contentOf(size));
        symlinkSync("../../../outside", join(file, ".."));
      },
      "UNSAFE_PATH",
    ],
  ];
  test.each(cases)("%s", async (_, change, code) => {
    change();
    const before = openFds();
    await expect(read("a1", {})).rejects.toMatchObject({ code, details: { layer: idOf("a1"), path: "d/file" } });
    expect(openFds()).toBe(before);
  });

  test("below a link within the layer", async () => {
    renameSync(join(file, ".."), join(file, "../../real"));
    symlinkSync("real", join(file, ".."));
    expect((await read("a1")).length).toBe(512 + size);
  });
});

describe("the whole", () => {
  test.each<[verify: LayerTarOptions["verify"], code: string | null]>([
    ["diffid", "DIFF_ID_MISMATCH"],
    ["crc", null],
  ])("of another digest, verify %s", async (verify, code) => {
    const { diffId } = store.layer("a2", { other: "x" });
    store.layer("a1", { file: "content" }, { record: { "diff-digest": diffId } });
    const reading = read("a1", { verify });
    if (code === null) expect((await reading).length).toBe(519);
    else await expect(reading).rejects.toMatchObject({ code, details: { expected: diffId } });
  });

  test("of another length", async () => {
    store.layer("a1", { file: "content" }, { record: { "diff-size": 520 } });
    await expect(read("a1", {})).rejects.toMatchObject({ code: "DIFF_ID_MISMATCH" });
  });
});

test("stops with the signal's reason and lets go of the lock", async () => {
  store.layer("a1", Object.fromEntries(SIZES.map((size) => [`f${size}`, contentOf(size)])));
  const before = openFds();
  const aborter = new AbortController();
  const reading = (async () => {
    for await (const _ of layerTar(await storage.layer(idOf("a1")), { signal: aborter.signal })) {
      aborter.abort(new Error("enough"));
    }
  })();
  await expect(reading).rejects.toThrow("enough");
  expect(openFds()).toBe(before);
});

test("lets go of everything when the consumer leaves", async () => {
  store.layer("a1", { large: contentOf(3 * MIB) });
  const before = openFds();
  let pieces = 0;
  for await (const _ of layerTar(await storage.layer(idOf("a1")))) if (++pieces === 3) break;
  expect(openFds()).toBe(before);
});
