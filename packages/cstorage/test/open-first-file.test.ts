import { closeSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { discoverStores } from "../src/discover.ts";
import { openFirstFile } from "../src/open-first-file.ts";
import type { Storage } from "../src/storage.ts";
import { idOf, openFds, removeTempDirs, StoreDir } from "./store-dir.ts";

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

test("opens the first file that has content, and nothing else stays open", async () => {
  store.layer("a1", { empty: "", first: "content", second: "more" });
  const before = openFds();
  const fd = (await openFirstFile(await storage.layer(idOf("a1")))) as number;
  expect(openFds()).toBe(before + 1);
  expect(readFileSync(fd, "utf8")).toBe("content");
  closeSync(fd);
});

test("finds none in a layer of empty files", async () => {
  store.layer("a1", { empty: "" });
  expect(await openFirstFile(await storage.layer(idOf("a1")))).toBe(null);
});

test("fails for a file that is gone and leaves nothing open", async () => {
  store.layer("a1", { first: "content" });
  rmSync(join(store.root, `overlay/${idOf("a1")}/diff/first`));
  const before = openFds();
  await expect(openFirstFile(await storage.layer(idOf("a1")))).rejects.toMatchObject({ code: "FILE_NOT_FOUND" });
  expect(openFds()).toBe(before);
});
