import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { content } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { corruptBlock } from "../support/corrupt.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo } from "../support/repo.ts";
import { streamLinks } from "../support/repo-state.ts";
import { run } from "../support/run.ts";
import { LARGE_FILE } from "../support/small-tree.ts";
import { layerWith, type StoredLayer, type TestStore, testStore } from "../support/store.ts";
import { buildImage, buildSmallImage } from "../support/store-builder.ts";

const MIB = 2 ** 20;

describe.skipIf(requires("xfs", "ext4", "buildah", "cfsctl") !== null)("a full repository", () => {
  let from: LoopFs;
  let to: LoopFs;
  let store: TestStore;
  let reference: string;

  beforeAll(() => {
    from = mountLoopFs("xfs");
    to = mountLoopFs("ext4", { size: 32 * MIB });
    store = testStore(from.path);
    reference = buildImage(store, "localhost/fill:latest", [
      (dir) => writeFileSync(join(dir, "small"), content(createHash("sha256").update("small").digest(), 1000)),
      (dir) => {
        mkdirSync(join(dir, "fill"));
        for (let index = 0; index < 64; index += 1) {
          const seed = createHash("sha256").update(`fill ${index}`).digest();
          writeFileSync(join(dir, `fill/file-${index}`), content(seed, MIB));
        }
      },
    ]);
  });
  afterAll(() => {
    from?.dispose();
    to?.dispose();
  });

  test("ENOSPC in the middle names the file and leaves no image", async () => {
    const repo = await initRepo(join(to.path, "repo"));
    const { exitCode, stderr } = await pull(repo, reference);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("ENOSPC");
    expect(stderr).toMatch(/fill\/file-\d+/);
    await expectNoImage(repo, layerWith(store, "fill").diffId);
  });
});

describe.skipIf(requires("btrfs", "buildah", "cfsctl") !== null)("a disk that fails", () => {
  let fs: LoopFs;
  let reference: string;
  let layer: StoredLayer;

  beforeAll(() => {
    fs = mountLoopFs("btrfs");
    const store = testStore(fs.path);
    reference = buildSmallImage(store);
    layer = layerWith(store, LARGE_FILE);
    const bytes = readFileSync(join(layer.diff, LARGE_FILE));
    // A whole block inside the file, so that its place on the disk can be found by content.
    const block = bytes.subarray(8192, 12_288);
    run("sync", ["-f", fs.path]);
    fs.remount(() => expect(corruptBlock(fs.image, block)).toBeGreaterThan(0));
  });
  afterAll(() => fs?.dispose());

  test("EIO in the middle names the file and leaves no image", async () => {
    const repo = await initRepo(join(fs.path, "repo"));
    const { exitCode, stderr } = await pull(repo, reference);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("EIO");
    expect(stderr).toContain(LARGE_FILE);
    await expectNoImage(repo, layer.diffId);
  });
});

function pull(repo: string, reference: string) {
  return cfsctl(["--repo", repo, "oci", "pull", `containers-storage:${reference}`, "test"]);
}

async function expectNoImage(repo: string, brokenLayer: string): Promise<void> {
  expect((await cfsctlOk(["--repo", repo, "oci", "images"])).stdout.trim()).toBe("No images found");
  const names = Object.keys(streamLinks(repo));
  expect(names.filter((name) => /^refs\/|^oci-(manifest|config)-/.test(name))).toEqual([]);
  expect(names).not.toContain(`oci-layer-${brokenLayer}`);
}
