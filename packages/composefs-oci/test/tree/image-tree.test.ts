import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initRepository, Repository } from "@composefs/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf, type OciDigest } from "../../src/digest.ts";
import { storeBlobLayer } from "../../src/layer/blob-layer.ts";
import { storeTarLayer } from "../../src/layer/import-layer.ts";
import { bootTree } from "../../src/tree/boot-tree.ts";
import { type LayerRef, layersTree } from "../../src/tree/layers-tree.ts";
import { outline } from "./outline.ts";
import { dir, file, type TestEntry, tarBytes } from "./tar-builder.ts";

const SYSTEM = [dir("usr"), dir("boot"), file("boot/vmlinuz"), dir("sysroot"), dir("run"), file("run/lock")];

let directory: string;
let repository: Repository;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "oci-image-tree-"));
  initRepository(directory, { hash: "sha256", insecure: true });
  repository = await Repository.open(directory);
});
afterEach(async () => {
  await repository.close();
  rmSync(directory, { recursive: true });
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Stores a layer under a digest that is not its own. */
async function store(entries: readonly TestEntry[]): Promise<LayerRef> {
  const diffId = `sha256:${"c".repeat(64)}` as OciDigest;
  const { id } = await storeTarLayer(repository, diffId, once(tarBytes(entries)), { verify: false });
  return { diffId, id };
}

test("the root is like /usr, and /run is empty", async () => {
  const tree = await layersTree(repository, [await store([...SYSTEM, dir("usr", 0o750)])]);
  expect(tree.stat.mode).toBe(0o750);
  expect(outline(tree)).toEqual(["/boot/", "/boot/vmlinuz x", "/run/", "/sysroot/", "/usr/ 750"]);
});

test("a layer that comes twice is applied twice", async () => {
  const base = await store([...SYSTEM, file("boot/a", "base")]);
  const change = await store([file("boot/a", "changed")]);
  const tree = await layersTree(repository, [base, change, base]);
  expect(outline(tree)).toContain("/boot/a base");
});

test("a tree to boot has nothing in /boot", async () => {
  const { root: tree } = await bootTree(repository, [await store(SYSTEM)]);
  expect(outline(tree)).toEqual(["/boot/", "/run/", "/sysroot/", "/usr/"]);
});

test.each<[string, TestEntry[], string]>([
  ["without /boot", [dir("usr"), dir("sysroot")], "TREE_INVALID"],
  ["without /sysroot", [dir("usr"), dir("boot")], "TREE_INVALID"],
  [
    "without the SELinux policy it names",
    [...SYSTEM, dir("etc"), dir("etc/selinux"), file("etc/selinux/config", "SELINUXTYPE=t\n")],
    "SELINUX_POLICY_INVALID",
  ],
])("there is no tree to boot %s", async (_, entries, code) => {
  await expect(bootTree(repository, [await store(entries)])).rejects.toMatchObject({ code });
});

test("refuses a layer that is no tar", async () => {
  const tar = tarBytes(SYSTEM);
  const diffId = digestOf(tar);
  const { id } = await storeBlobLayer(repository, diffId, once(tar));
  await expect(layersTree(repository, [{ diffId, id }])).rejects.toMatchObject({
    code: "LAYER_UNSUPPORTED",
    details: { layer: diffId },
  });
});

test("stops between layers", async () => {
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(layersTree(repository, [await store(SYSTEM)], { signal })).rejects.toThrow("enough");
});
