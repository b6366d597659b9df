import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { CFSCTL_PATH, cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { withMountPoint } from "../support/image-mount.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, pullJson } from "../support/repo.ts";
import { objects, streamLinks } from "../support/repo-state.ts";
import { testStore } from "../support/store.ts";
import { buildSmallImage } from "../support/store-builder.ts";
import { treeDigest } from "../support/tree-digest.ts";

// Defects of the reference that need a store or a kernel to show (cli.md §1.8); others are tested where their command is.
describe.skipIf(requires("xfs", "buildah", "overlay", "cfsctl") !== null)("defects of the reference", () => {
  let fs: LoopFs;
  let reference: string;
  let count = 0;
  beforeAll(() => {
    fs = mountLoopFs("xfs", { size: 2 ** 30 });
    reference = buildSmallImage(testStore(fs.path));
  });
  afterAll(() => fs?.dispose());

  const newRepo = async (algorithm?: string): Promise<string> => {
    count += 1;
    return initRepo(join(fs.path, `repo-${count}`), algorithm);
  };

  test("D1: a mount by name does not demand fs-verity of a repository without", async () => {
    const repo = await newRepo();
    const { image } = await pullJson(repo, reference);
    const tree = join(fs.path, "tree");
    mkdirSync(join(tree, "usr"), { recursive: true });
    const large = Buffer.alloc(100_000, "large");
    writeFileSync(join(tree, "usr/large"), large);
    await cfsctlOk(["--repo", repo, "create-image", tree, "app"]);
    for (const name of ["app", "refs/app"]) {
      await withMountPoint(async (point) => {
        await cfsctlOk(["--repo", repo, "mount", name, point]);
        expect(readFileSync(join(point, "usr/large")).equals(large)).toBe(true);
      });
    }
    for (const mount of [
      ["mount", image as string],
      ["mount", "test"],
      ["oci", "mount", "test"],
    ]) {
      await withMountPoint(async (point) => {
        await cfsctlOk(["--repo", repo, ...mount, point]);
        expect(readFileSync(join(point, "data/size-100000"))).toHaveLength(100_000);
      });
    }
  });

  test("D2: equal pulls give equal repositories, and print the final ids", async () => {
    const [one, two] = [await newRepo(), await newRepo()];
    const [first, second] = [await pullJson(one, reference), await pullJson(two, reference)];
    expect(second).toEqual(first);
    expect(objects(two).map(({ path }) => path.slice(two.length))).toEqual(
      objects(one).map(({ path }) => path.slice(one.length)),
    );
    expect(streamLinks(two)).toEqual(streamLinks(one));
    const entry = streamLinks(one)[`oci-manifest-${first.manifest_digest}`];
    expect(entry?.replace("../objects/", "").replace("/", "")).toBe(first.manifest_verity);
    expect((await cfsctlOk(["--repo", one, "cat", first.manifest_verity])).stdout).toContain("schemaVersion");
  });

  test("D3: pulling what is there already changes not a byte", async () => {
    const repo = await newRepo();
    const first = await pullJson(repo, reference);
    const before = treeDigest(repo, { inodes: true });
    const again = await pullJson(repo, reference);
    expect(again).toMatchObject({ ...first, changed: false, stats: { layers_already_present: first.stats.layers } });
    expect(treeDigest(repo, { inodes: true })).toBe(before);
  });

  test("D20: a secure init that fails leaves nothing, and says what to do", async () => {
    const path = join(fs.path, "secure");
    const { exitCode, stdout, stderr } = await cfsctl(["--repo", path, "init"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain("[VERITY_UNSUPPORTED]");
    expect(stderr).toContain("--insecure");
    expect(existsSync(path)).toBe(false);
  });

  test("D20: --hash is honoured by init", async () => {
    const path = join(fs.path, "sha256");
    await cfsctlOk(["--repo", path, "--hash", "sha256", "init", "--insecure"]);
    expect(readFileSync(join(path, "meta.json"), "utf8")).toContain('"fsverity-sha256-12"');
    expect((await cfsctl(["--hash", "sha256", "init", "--algorithm", "fsverity-sha512-12", path])).exitCode).toBe(2);
  });

  test("D21: a reset to another algorithm does not leave objects that fsck refuses", async () => {
    const repo = await newRepo("fsverity-sha512-12");
    await pullJson(repo, reference);
    const reset = ["--repo", repo, "--hash", "sha256", "init", "--insecure", "--reset-metadata"];
    const before = treeDigest(repo);
    const refused = await cfsctl(reset);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain("[REPO_CONFIG_MISMATCH]");
    expect(refused.stderr).toContain("--discard-objects");
    expect(treeDigest(repo)).toBe(before);
    expect((await cfsctl(["--repo", repo, "init", "--insecure", "--discard-objects"])).exitCode).toBe(2);
    await cfsctlOk([...reset, "--discard-objects"]);
    expect(readdirSync(repo)).toEqual(["meta.json"]);
    await pullJson(repo, reference);
    await cfsctlOk(["--repo", repo, "fsck"]);
  });

  test.each([["fsck"], ["oci images"], ["gc -n"], ["dump-files test"], ["--help"]])(
    "D25: %s into a pipe that nobody reads",
    async (command) => {
      const repo = join(fs.path, "pipe");
      if (!existsSync(repo)) await pullJson(await initRepo(repo), reference);
      const script = 'set -o pipefail; "$@" | head -c 0; echo "status $?"';
      const argv = [process.execPath, CFSCTL_PATH, "--repo", repo, ...command.split(" ")];
      const result = spawnSync("bash", ["-c", script, "bash", ...argv], { encoding: "utf8" });
      expect([result.stdout, result.stderr]).toEqual(["status 0\n", ""]);
    },
  );

  test("a pull puts a damaged EROFS image right, through the command", async () => {
    const repo = await newRepo();
    const { image } = await pullJson(repo, reference);
    const path = join(repo, "objects", image?.slice(0, 2) ?? "", image?.slice(2) ?? "");
    const bytes = readFileSync(path);
    rmSync(path);
    writeFileSync(path, Buffer.from(bytes).fill(0, 2000, 2010));
    expect((await cfsctl(["--repo", repo, "fsck"])).exitCode).toBe(1);
    await pullJson(repo, reference);
    await cfsctlOk(["--repo", repo, "fsck"]);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });
});
