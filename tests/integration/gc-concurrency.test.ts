import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findingText, Repository } from "@composefs/core";
import { listTags } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeBigLayer } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctlOk } from "../support/cfsctl.ts";
import { withMountedImage } from "../support/image-mount.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo } from "../support/repo.ts";
import { type TestStore, testStore } from "../support/store.ts";
import { buildImage, buildSmallImage } from "../support/store-builder.ts";
import { walkIndependently } from "./scan-lay-out.ts";

/** Pulls of each puller, and images that are made besides. */
const ROUNDS = 8;
const PAUSE_MS = 100;

/** Runs one collection to its end and says how many objects it removed. */
type Collect = (repo: string) => Promise<number>;

async function collectHere(repo: string): Promise<number> {
  await using repository = await Repository.open(repo);
  const { objectsRemoved, problems } = await repository.gc();
  expect(problems).toEqual([]);
  return objectsRemoved;
}

/** With the program that composefs-rs has for it, where REFERENCE_CFSCTL names one. */
async function collectByReference(repo: string): Promise<number> {
  const args = ["--repo", repo, "gc"];
  const { stdout } = await promisify(execFile)(process.env.REFERENCE_CFSCTL ?? "", args);
  return Number(/^Objects: (\d+) removed/m.exec(stdout)?.[1]);
}

const COLLECTORS: readonly [string, Collect, boolean][] = [
  ["gc", collectHere, true],
  ["the reference's gc", collectByReference, process.env.REFERENCE_CFSCTL !== undefined],
];

describe.skipIf(requires("xfs", "buildah", "overlay", "cfsctl") !== null)("a collection in a loop", () => {
  let fs: LoopFs;
  let store: TestStore;
  /** Images whose layers are partly the same. */
  let references: string[];
  let tree: string;

  beforeAll(() => {
    fs = mountLoopFs("xfs", { size: 3 * 2 ** 30 });
    store = testStore(fs.path);
    const layer = (number: number, files: number) => (dir: string) => writeBigLayer(dir, number, files);
    references = [
      buildSmallImage(store),
      buildImage(store, "localhost/one:latest", [layer(1, 300), layer(2, 100)]),
      buildImage(store, "localhost/two:latest", [layer(1, 300), layer(3, 200)]),
    ].map((reference) => `containers-storage:${reference}`);
    tree = join(fs.path, "tree");
    mkdirSync(tree);
    writeBigLayer(tree, 3, 150);
  });
  afterAll(() => fs?.dispose());

  for (const [what, collect, there] of COLLECTORS) {
    test.skipIf(!there)(`${what} takes nothing from pulls, tags and images that are made meanwhile`, async () => {
      const repo = await initRepo(join(fs.path, what.replaceAll(/\W/g, "-")));
      const done = new AbortController();
      const collecting = collectUntil(repo, collect, done.signal);
      const expected: string[] = [];
      try {
        await Promise.all([
          ...[0, 1].map(async (puller) => {
            for (let round = 0; round < ROUNDS; round += 1) {
              const reference = references[(round + puller) % references.length] ?? "";
              const tag = `${puller}-${round}`;
              await cfsctlOk(["--repo", repo, "oci", "pull", "--quiet", reference, tag]);
              // Every other image goes again, so that there is something to collect, and to pull anew.
              if (round % 2 === 0) await cfsctlOk(["--repo", repo, "oci", "untag", tag]);
              else expected.push(tag);
              await delay(PAUSE_MS);
            }
          }),
          createImages(repo),
        ]);
      } finally {
        done.abort();
      }
      const { runs, removed } = await collecting;
      expect(runs).toBeGreaterThan(ROUNDS / 2);
      expect(removed).toBeGreaterThan(0);
      await expectComplete(repo, expected);
    });
  }

  async function createImages(repo: string): Promise<void> {
    for (let round = 0; round < ROUNDS; round += 1) {
      await cfsctlOk(["--repo", repo, "create-image", tree, `made-${round}`]);
      await using repository = await Repository.open(repo);
      if (round < ROUNDS - 1) repository.deleteRef("images", `made-${round}`);
    }
  }

  async function expectComplete(repo: string, tags: readonly string[]): Promise<void> {
    await using repository = await Repository.open(repo);
    expect(listTags(repository).map(({ name }) => name)).toEqual([...tags].sort());
    expect((await repository.fsck()).findings.map((found) => findingText(found))).toEqual([]);
    let layers = 0;
    for (const name of repository.listStreams()) {
      const digest = /^oci-layer-sha256:([0-9a-f]{64})$/.exec(name)?.[1];
      if (digest === undefined) continue;
      layers += 1;
      const hash = createHash("sha256");
      for await (const piece of repository.readStream(await repository.openStream(name))) hash.update(piece);
      expect(hash.digest("hex"), name).toBe(digest);
    }
    // The small image has three layers, of the others' four two are the same.
    expect(layers).toBe(6);
    const last = `made-${ROUNDS - 1}`;
    expect(repository.listImages().map(({ name }) => name)).toEqual([last]);
    const entries = await withMountedImage(repository, repository.resolveImage(last), walkIndependently);
    expect(entries.filter(({ content }) => content.kind !== "directory")).toHaveLength(150);
    // All that is left is needed: one more collection takes only what the last pulls left over.
    const { pruned } = await repository.gc();
    expect(pruned.filter((path) => path.includes("refs/"))).toEqual([]);
    expect((await repository.fsck()).findings).toEqual([]);
  }
});

async function collectUntil(
  repo: string,
  collect: Collect,
  signal: AbortSignal,
): Promise<{ runs: number; removed: number }> {
  let runs = 0;
  let removed = 0;
  for (; !signal.aborted; runs += 1) {
    removed += await collect(repo);
    await delay(10);
  }
  return { runs, removed };
}
