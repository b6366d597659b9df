import { lstatSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, pullJson } from "../support/repo.ts";
import { objects, streamLinks } from "../support/repo-state.ts";
import { type TestStore, testStore } from "../support/store.ts";
import { buildSmallImage } from "../support/store-builder.ts";
import { treeDigest } from "../support/tree-digest.ts";

const NAME = "localhost/small:latest";

describe.skipIf(requires("ext4", "buildah", "cfsctl") !== null)("a file system without reflinks", () => {
  let fs: LoopFs;
  let store: TestStore;
  let reference: string;

  beforeAll(() => {
    fs = mountLoopFs("ext4");
    store = testStore(fs.path);
    reference = buildSmallImage(store, NAME);
  });
  afterAll(() => fs?.dispose());

  test("copies, says so, and leaves the store as it was", async () => {
    const repo = await initRepo(`${fs.path}/copy`);
    const before = treeDigest(store.root, { inodes: true });
    const { stdout } = await cfsctlOk(["--repo", repo, "oci", "pull", `containers-storage:${reference}`, "test"]);
    expect(stdout).toMatch(/^ {2}objects: (\d+) total \(0 reflinked, [1-9]\d* copied, \d+ already present\)$/m);
    expect(stdout).toMatch(/^ {2}copied: \d+\.\d\d MiB$/m);
    expect(treeDigest(store.root, { inodes: true })).toBe(before);
  });

  test("--hardlink links instead", async () => {
    const repo = await initRepo(`${fs.path}/hardlink`);
    const { stats } = await pullJson(repo, reference, ["--hardlink"]);
    expect(stats.objects_hardlinked).toBeGreaterThan(0);
    expect([stats.objects_copied, stats.objects_reflinked]).toEqual([0, 0]);
    expect(stats.bytes_hardlinked).toBeGreaterThan(5_000_000);
    const linked = objects(repo).filter(({ path }) => lstatSync(path).nlink > 1);
    expect(linked).toHaveLength(stats.objects_hardlinked);
  });

  test("--hardlink --zero-copy counts a link as no copy", async () => {
    const repo = await initRepo(`${fs.path}/hardlink-zero-copy`);
    const { stats } = await pullJson(repo, reference, ["--hardlink", "--zero-copy"]);
    expect(stats.objects_copied).toBe(0);
  });

  test("copied and linked repositories have the same streams", async () => {
    const copied = streamLinks(await pulled(`${fs.path}/a`, reference, []));
    const linked = streamLinks(await pulled(`${fs.path}/b`, reference, ["--hardlink"]));
    expect(linked).toEqual(copied);
  });

  test("--zero-copy refuses before anything is written", async () => {
    const repo = await initRepo(`${fs.path}/zero-copy`);
    await expectRefusal(repo, reference, ["ext4"]);
  });
});

describe.skipIf(requires("btrfs", "xfs", "buildah", "cfsctl") !== null)("two file systems with reflinks", () => {
  let from: LoopFs;
  let to: LoopFs;
  let reference: string;

  beforeAll(() => {
    from = mountLoopFs("btrfs");
    to = mountLoopFs("xfs");
    reference = buildSmallImage(testStore(from.path), NAME);
  });
  afterAll(() => {
    from?.dispose();
    to?.dispose();
  });

  test.each([[[]], [["--hardlink"]]])("copies from one to the other with %j", async (args) => {
    const repo = await initRepo(`${to.path}/copy${args.length}`);
    const { stats } = await pullJson(repo, reference, args);
    expect([stats.objects_reflinked, stats.objects_hardlinked]).toEqual([0, 0]);
    expect(stats.objects_copied).toBeGreaterThan(0);
  });

  test("--zero-copy refuses and names both", async () => {
    const repo = await initRepo(`${to.path}/zero-copy`);
    await expectRefusal(repo, reference, ["btrfs", "xfs"]);
  });
});

async function pulled(path: string, reference: string, args: readonly string[]): Promise<string> {
  const repo = await initRepo(path);
  await pullJson(repo, reference, args);
  return repo;
}

async function expectRefusal(repo: string, reference: string, fileSystems: readonly string[]): Promise<void> {
  const before = treeDigest(repo, { inodes: true });
  const args = ["--repo", repo, "oci", "pull", "--zero-copy", `containers-storage:${reference}`, "test"];
  const { exitCode, stderr } = await cfsctl(args);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("[ZERO_COPY_IMPOSSIBLE]");
  for (const name of fileSystems) expect(stderr).toContain(name);
  expect(treeDigest(repo, { inodes: true })).toBe(before);
}
