import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { content } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo } from "../support/repo.ts";
import { run } from "../support/run.ts";
import { treeDigest } from "../support/tree-digest.ts";

const MIB = 2 ** 20;

describe.skipIf(requires("ext4", "xfs", "cfsctl") !== null)("create-image", () => {
  let small: LoopFs;
  let large: LoopFs;
  let repo: string;
  let tree: string;
  beforeAll(async () => {
    small = mountLoopFs("ext4", { size: 24 * MIB });
    large = mountLoopFs("xfs", { size: 400 * MIB });
    repo = await initRepo(join(small.path, "repo"));
    tree = join(large.path, "tree");
    mkdirSync(join(tree, "usr"), { recursive: true });
    writeFileSync(join(tree, "usr/one"), content(Buffer.alloc(32, 1), 3000));
    await cfsctlOk(["--repo", repo, "create-image", tree, "app"]);
  });
  afterAll(() => {
    small?.dispose();
    large?.dispose();
  });

  test("on a full disk names the file, leaves no name, and gc makes the room again", async () => {
    for (let index = 0; index < 32; index += 1) {
      writeFileSync(join(tree, `usr/${index}`), content(Buffer.alloc(32, 100 + index), MIB));
    }
    const { exitCode, stdout, stderr } = await cfsctl(["--repo", repo, "create-image", tree, "big"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/tree\/usr\/\d+' \[ENOSPC\]/);
    expect(readdirSync(join(repo, "images/refs"))).toEqual(["app"]);
    expect(readdirSync(join(repo, "objects")).filter((name) => name.startsWith("."))).toEqual([]);
    await cfsctlOk(["--repo", repo, "fsck"]);
    expect((await cfsctlOk(["--repo", repo, "gc"])).stdout).toMatch(/^Objects: \d\d removed/);
    await cfsctlOk(["--repo", repo, "fsck"]);
  });

  test("where inodes run out, be it for a file or for a directory, it says ENOSPC", async () => {
    const one = join(large.path, "one");
    mkdirSync(join(one, "usr"), { recursive: true });
    writeFileSync(join(one, "usr/file"), content(Buffer.alloc(32, 2), 3000));
    const point = join(large.path, "inodes");
    mkdirSync(point);
    run("mount", ["-t", "tmpfs", "tmpfs", point]);
    const ends: string[] = [];
    try {
      const path = await initRepo(join(point, "repo"));
      const used = Number(run("df", ["--output=iused", point]).split("\n")[1]);
      for (let spare = 0; spare <= 12; spare += 1) {
        for (const name of ["objects", "images"]) rmSync(join(path, name), { recursive: true, force: true });
        run("mount", ["-o", `remount,nr_inodes=${used + spare}`, point]);
        const { exitCode, stderr } = await cfsctl(["--repo", path, "create-image", one, "app"]);
        ends.push(exitCode === 0 ? "ok" : (/\[\w+\]/.exec(stderr)?.[0] ?? stderr));
      }
    } finally {
      run("umount", [point]);
    }
    expect(new Set(ends)).toEqual(new Set(["[ENOSPC]", "ok"]));
    expect(ends.filter((end) => end === "[ENOSPC]").length).toBeGreaterThan(4);
  });

  test("two at once, of the same tree and beside a gc, harm nothing", async () => {
    const other = await initRepo(join(large.path, "repo"));
    const create = (name: string) => cfsctl(["--repo", other, "create-image", tree, name]);
    const results = await Promise.all([create("a"), create("b"), cfsctl(["--repo", other, "gc"]), create("a")]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    expect(new Set([0, 1, 3].map((index) => results[index]?.stdout)).size).toBe(1);
    await cfsctlOk(["--repo", other, "fsck"]);
    expect((await cfsctlOk(["--repo", other, "gc", "-n"])).stdout).toContain("Objects: 0 removed");
  });

  test("on a read-only file system is refused, as all that writes; what reads works", async () => {
    run("mount", ["-o", "remount,ro", small.path]);
    const before = treeDigest(repo);
    const at = (...args: string[]) => cfsctl(["--repo", repo, ...args]);
    const writers = [
      ["create-image", tree, "x"],
      ["gc"],
      ["images", "rm", "app"],
      ["fsck", "--repair"],
      ["streams", "rm", "x"],
    ];
    for (const args of writers) expect((await at(...args)).stderr, args[0]).toContain("[REPO_READ_ONLY]");
    expect((await at("init", "--insecure", "--reset-metadata")).stderr).toContain("[EROFS]");
    for (const args of [["images"], ["fsck"], ["gc", "-n"], ["dump-files", "app"], ["image-objects", "app"]]) {
      expect((await at(...args)).exitCode, args[0]).toBe(0);
    }
    expect(treeDigest(repo)).toBe(before);
  });
});
