import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeBigLayer } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk, ended, startCfsctl } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo } from "../support/repo.ts";
import { objects, streamLinks } from "../support/repo-state.ts";
import { type TestStore, testStore } from "../support/store.ts";
import { buildBigImage, buildImage } from "../support/store-builder.ts";

const FILES = 4_000;
const KILLS = 10;

describe.skipIf(requires("xfs", "buildah", "podman", "cfsctl") !== null)("several at once", () => {
  let fs: LoopFs;
  let store: TestStore;
  let reference: string;
  let expectedStreams: Record<string, string>;
  let expectedObjects: string[];
  let pullMs: number;

  beforeAll(async () => {
    fs = mountLoopFs("xfs", { size: 3 * 2 ** 30 });
    store = testStore(fs.path);
    reference = buildBigImage(store, "localhost/medium:latest", FILES);
    const repo = await initRepo(join(fs.path, "alone"));
    const start = performance.now();
    await cfsctlOk(pullArgs(repo));
    pullMs = performance.now() - start;
    expectedStreams = streamLinks(repo);
    expectedObjects = objectNames(repo);
    expect(Object.keys(expectedStreams).filter((name) => name.startsWith("oci-layer-"))).toHaveLength(3);
  });
  afterAll(() => fs?.dispose());

  test("two pulls of one image both succeed and leave what one leaves", async () => {
    const repo = await initRepo(join(fs.path, "two"));
    const results = await Promise.all([cfsctl(pullArgs(repo)), cfsctl(pullArgs(repo))]);
    expect(results.map(({ exitCode, stderr }) => [exitCode, exitCode === 0 ? "" : stderr])).toEqual([
      [0, ""],
      [0, ""],
    ]);
    expect(streamLinks(repo)).toEqual(expectedStreams);
    expect(objectNames(repo)).toEqual(expectedObjects);
  });

  test.each(killPoints())("killed after %s of its time, the next pull completes it", async (_, share) => {
    const repo = await initRepo(join(fs.path, `killed-${share}`));
    const child = startCfsctl(pullArgs(repo));
    const end = ended(child);
    await delay(pullMs * share);
    child.kill("SIGKILL");
    await end;
    const between = streamLinks(repo);
    // Whatever has a name by now is complete: it is what an undisturbed pull writes.
    for (const [name, target] of Object.entries(between)) expect(expectedStreams[name]).toBe(target);
    await cfsctlOk(pullArgs(repo));
    expect(streamLinks(repo)).toEqual(expectedStreams);
    // Objects that nothing refers to may remain, none may be missing.
    const there = new Set(objectNames(repo));
    expect(expectedObjects.filter((name) => !there.has(name))).toEqual([]);
  });

  test("podman works on the store during a pull", async () => {
    const repo = await initRepo(join(fs.path, "with-podman"));
    const child = startCfsctl(pullArgs(repo));
    const end = ended(child);
    await delay(pullMs / 3);
    expect(store.podman("images", "--format", "{{.Repository}}:{{.Tag}}")).toContain("localhost/medium:latest");
    expect(await end).toBe(0);
    expect(streamLinks(repo)).toEqual(expectedStreams);
  });

  test("an image built during a pull harms neither", async () => {
    const repo = await initRepo(join(fs.path, "with-build"));
    const child = startCfsctl(pullArgs(repo));
    const end = ended(child);
    await delay(pullMs / 3);
    const built = buildImage(store, "localhost/meanwhile:latest", [
      (dir) => {
        mkdirSync(join(dir, "usr"));
        writeFileSync(join(dir, "usr/marker"), "meanwhile".repeat(100));
      },
      (dir) => writeBigLayer(dir, 7, 20),
    ]);
    expect(await end).toBe(0);
    expect(streamLinks(repo)).toEqual(expectedStreams);
    await cfsctlOk(["--repo", repo, "oci", "pull", `containers-storage:${built}`, "meanwhile"]);
  });

  function pullArgs(repo: string): string[] {
    return ["--repo", repo, "oci", "pull", "--quiet", `containers-storage:${reference}`, "test"];
  }
});

/** One random moment in each tenth of the time, named so that a failure can be tried again. */
function killPoints(): [string, number][] {
  return Array.from({ length: KILLS }, (_, index) => {
    const share = Math.round(((index + Math.random()) / KILLS) * 1000) / 1000;
    return [`${(share * 100).toFixed(1)} %`, share];
  });
}

function objectNames(repo: string): string[] {
  return objects(repo).map(({ path }) => path.split("/").slice(-2).join("/"));
}
