import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findingText, Repository } from "@composefs/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeBigLayer } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk, ended, startCfsctl } from "../support/cfsctl.ts";
import { extentsOf } from "../support/extents.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, type PullOutput, pullJson } from "../support/repo.ts";
import { objects, streamLinks } from "../support/repo-state.ts";
import { run } from "../support/run.ts";
import { testStore } from "../support/store.ts";
import { buildImage } from "../support/store-builder.ts";

const FILES = 800;
const KILLS = 8;
const MIN_EXTENT_BYTES = 65_536;

async function copy(repo: string, from: string, ...args: string[]): Promise<PullOutput> {
  const command = ["--repo", repo, "oci", "copy", "--quiet", "--json", "test", "--from", from, ...args];
  return JSON.parse((await cfsctlOk(command)).stdout) as PullOutput;
}

async function findings(repo: string): Promise<string[]> {
  await using repository = await Repository.open(repo);
  return (await repository.fsck()).findings.map((found) => findingText(found));
}

const relativeObjects = (repo: string): string[] => objects(repo).map(({ path }) => path.slice(repo.length));

describe.skipIf(requires("xfs", "ext4", "reflink", "buildah", "filefrag", "cfsctl") !== null)("oci copy", () => {
  let fs: LoopFs;
  let ext4: LoopFs;
  let source: string;
  beforeAll(async () => {
    fs = mountLoopFs("xfs", { size: 2 * 2 ** 30 });
    ext4 = mountLoopFs("ext4", { size: 256 * 2 ** 20 });
    source = await initRepo(join(fs.path, "source"));
    const layers = [0, 1].map((layer) => (dir: string) => writeBigLayer(dir, layer, FILES));
    await pullJson(source, buildImage(testStore(fs.path), "localhost/big:latest", layers));
  });
  afterAll(() => {
    fs?.dispose();
    ext4?.dispose();
  });

  test("on XFS every object is a clone, the repository the same", async () => {
    const repo = await initRepo(join(fs.path, "cloned"));
    const { stats, tag } = await copy(repo, source);
    expect(tag).toBe("test");
    expect(stats).toMatchObject({ objects_copied: 0, objects_hardlinked: 0 });
    expect(stats.objects_reflinked).toBeGreaterThan(1.5 * FILES);
    expect(relativeObjects(repo)).toEqual(relativeObjects(source));
    expect(streamLinks(repo)).toEqual(streamLinks(source));
    // Streams and EROFS images are written anew.
    const images = readdirSync(join(repo, "images")).map((id) => id.slice(2));
    const written = new Set([...Object.values(streamLinks(repo)).map((target) => basename(target)), ...images]);
    const large = (where: string): string[] =>
      objects(where).flatMap(({ path, size }) =>
        size > MIN_EXTENT_BYTES && !written.has(basename(path)) ? [path] : [],
      );
    const blocks = new Set(extentsOf(large(source)).flatMap(({ physical }) => physical));
    const clones = extentsOf(large(repo).slice(0, 50));
    expect(clones.length).toBeGreaterThan(15);
    for (const { physical } of clones) expect(physical.every((block) => blocks.has(block))).toBe(true);
    expect(await findings(repo)).toEqual([]);
  });

  test("to another file system objects are copied", async () => {
    const repo = await initRepo(join(ext4.path, "copied"));
    const { stats } = await copy(repo, source);
    expect(stats).toMatchObject({ objects_reflinked: 0, objects_hardlinked: 0 });
    expect(relativeObjects(repo)).toEqual(relativeObjects(source));
    expect(await findings(repo)).toEqual([]);
    const again = await copy(repo, source);
    expect(again).toMatchObject({ changed: false, stats: { layers_already_present: 2, bytes_copied: 0 } });
  });

  test("--zero-copy on ext4 links objects", async () => {
    const from = join(ext4.path, "copied");
    const repo = await initRepo(join(ext4.path, "linked"));
    const { stats } = await copy(repo, from, "--zero-copy");
    expect(stats).toMatchObject({ objects_copied: 0, objects_reflinked: 0 });
    expect(stats.objects_hardlinked).toBeGreaterThan(1.5 * FILES);
    const [first] = objects(repo).filter(({ size }) => size > MIN_EXTENT_BYTES);
    const path = first?.path ?? "";
    expect(statSync(path).ino).toBe(statSync(join(from, path.slice(repo.length))).ino);
    expect(await findings(repo)).toEqual([]);
  });

  test("--zero-copy to another file system is refused before anything is written", async () => {
    const repo = await initRepo(join(ext4.path, "refused"));
    const before = run("find", [repo]);
    const { exitCode, stderr } = await cfsctl(["--repo", repo, "oci", "copy", "test", "--from", source, "--zero-copy"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("[ZERO_COPY_IMPOSSIBLE]");
    expect(run("find", [repo])).toBe(before);
  });

  test(`kill -9, ${KILLS} times: no names but whole ones, and the next copy completes it`, async () => {
    const start = performance.now();
    await copy(await initRepo(join(fs.path, "timed")), source);
    const usualMs = performance.now() - start;
    const whole = streamLinks(source);
    for (let round = 0; round < KILLS; round += 1) {
      const repo = await initRepo(join(fs.path, `killed-${round}`));
      const ms = (0.3 + 0.75 * Math.random()) * usualMs;
      const child = startCfsctl(["--repo", repo, "oci", "copy", "-q", "test", "--from", source]);
      const end = ended(child);
      await delay(ms);
      child.kill("SIGKILL");
      await end;
      const label = `killed after ${ms.toFixed(0)} of ${usualMs.toFixed(0)} ms`;
      expect(whole, label).toMatchObject(streamLinks(repo));
      expect(await findings(repo), label).toEqual([]);
      await copy(repo, source);
      expect(streamLinks(repo), label).toEqual(whole);
      run("rm", ["-r", repo]);
    }
  });

  test("ENOSPC leaves no names", async () => {
    const full = mountLoopFs("ext4", { size: 24 * 2 ** 20 });
    try {
      const repo = await initRepo(join(full.path, "repo"));
      const { exitCode, stderr } = await cfsctl(["--repo", repo, "oci", "copy", "-q", "test", "--from", source]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("ENOSPC");
      expect(streamLinks(repo)).toEqual({});
      expect(await findings(repo)).toEqual([]);
    } finally {
      full.dispose();
    }
  });
});
