import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findingText, initRepository, Repository } from "@composefs/core";
import { pull } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeBigLayer } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { ended, startCfsctl } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { objects, streamLinks } from "../support/repo-state.ts";
import { run } from "../support/run.ts";
import { testStore } from "../support/store.ts";
import { buildImage, buildSmallImage } from "../support/store-builder.ts";

/** 100 in all. */
const KILLS = { pull: 34, "create-image": 33, gc: 33 };
/** Undisturbed runs that tell how long one takes. */
const MEASURED = 2;
/** Longest wait, in milliseconds, after the first change that a command makes. */
const AFTER_FIRST_CHANGE = { pull: 150, "create-image": 60, gc: 30 };

describe.skipIf(requires("xfs", "buildah", "cfsctl") !== null)("kill -9 at random moments", () => {
  let fs: LoopFs;
  let reference: string;
  let garbage: string;
  let tree: string;

  beforeAll(() => {
    fs = mountLoopFs("xfs", { size: 3 * 2 ** 30 });
    const store = testStore(fs.path);
    reference = `containers-storage:${buildSmallImage(store)}`;
    const write = (dir: string): void => writeBigLayer(dir, 3, 800);
    garbage = `containers-storage:${buildImage(store, "localhost/garbage:latest", [write])}`;
    tree = join(fs.path, "tree");
    mkdirSync(tree);
    writeBigLayer(tree, 1, 400);
  });
  afterAll(() => fs?.dispose());

  test(`of a pull, ${KILLS.pull} times`, async () => {
    const names = await namesAfter(join(fs.path, "pull-undisturbed"), pullInto);
    await killNewRuns("pull", pullInto, names);
  });

  test(`of create-image, ${KILLS["create-image"]} times`, async () => {
    const names = await namesAfter(join(fs.path, "create-image-undisturbed"), createImage);
    await killNewRuns("create-image", createImage, names);
  });

  test(`of gc, ${KILLS.gc} times`, async () => {
    const repo = newRepository("gc");
    await complete(pullInto(repo));
    await complete(createImage(repo));
    const kept = names(repo);
    const collect = (): ChildProcess => startCfsctl(["--repo", repo, "gc"]);
    // A pull leaves the streams it had before there was an image.
    await complete(collect());
    expect(names(repo)).toEqual(kept);
    const live = objectNames(repo);
    const [stock, unnamed] = await stockOfGarbage();
    // Objects and names of the stock come in as hard links, so that each round begins with them at no cost.
    const fill = (): string => run("cp", ["-al", "--no-clobber", `${stock}/.`, repo]);
    fill();
    const usualMs = await duration(async () => complete(collect()));
    expect(objectNames(repo)).toEqual(live);

    let interrupted = 0;
    for (let round = 0; round < KILLS.gc; round += 1) {
      fill();
      expect(objectNames(repo).length).toBeGreaterThan(live.length + 700);
      const label = await kill("gc", collect(), usualMs, round, () => !existsSync(join(repo, "images", unnamed)));
      const left = objectNames(repo).length;
      if (left > live.length && !existsSync(join(repo, "images", unnamed))) interrupted += 1;
      expect(await findings(repo), label).toEqual([]);
      expect(names(repo), label).toMatchObject(kept);
      await complete(collect());
      // The next run takes whatever the killed one had left.
      expect(names(repo), label).toEqual(kept);
      expect(objectNames(repo), label).toEqual(live);
      expect(await findings(repo), label).toEqual([]);
    }
    expect(interrupted).toBeGreaterThan(0);
  });

  /** Each round in a new repository: the command is killed, what it left is checked, and it runs once more. */
  async function killNewRuns(
    command: "pull" | "create-image",
    start: (repo: string) => ChildProcess,
    whole: Record<string, string>,
  ): Promise<void> {
    const times: number[] = [];
    for (let count = 0; count < MEASURED; count += 1) {
      const repo = newRepository(`${command}-timed-${count}`);
      times.push(await duration(async () => complete(start(repo))));
    }
    let interrupted = 0;
    for (let round = 0; round < KILLS[command]; round += 1) {
      const repo = newRepository(`${command}-${round}`);
      const begun = (): boolean => existsSync(join(repo, "objects"));
      const label = await kill(command, start(repo), Math.min(...times), round, begun);
      const left = names(repo);
      if (begun() && Object.keys(left).length === 0) interrupted += 1;
      // Whatever has a name by now is what an undisturbed run names.
      for (const [name, target] of Object.entries(left)) expect(target, `${label}: ${name}`).toBe(whole[name]);
      expect(await findings(repo), label).toEqual([]);
      await complete(start(repo));
      expect(names(repo), label).toEqual(whole);
      expect(await findings(repo), label).toEqual([]);
      run("rm", ["-r", repo]);
    }
    expect(interrupted).toBeGreaterThan(0);
  }

  async function namesAfter(repo: string, start: (repo: string) => ChildProcess): Promise<Record<string, string>> {
    initRepository(repo, { insecure: true });
    await complete(start(repo));
    expect(await findings(repo)).toEqual([]);
    return names(repo);
  }

  function newRepository(name: string): string {
    const repo = join(fs.path, name);
    expect(initRepository(repo, { insecure: true })).toBe("created");
    return repo;
  }

  function pullInto(repo: string): ChildProcess {
    return startCfsctl(["--repo", repo, "oci", "pull", "--quiet", reference, "kept"]);
  }

  function createImage(repo: string): ChildProcess {
    return startCfsctl(["--repo", repo, "create-image", tree, "kept"]);
  }

  /** A repository of things without a ref, and the id of its image. */
  async function stockOfGarbage(): Promise<[path: string, image: string]> {
    const stock = newRepository("stock");
    await using repository = await Repository.open(stock);
    const { imageIds } = await pull(repository, garbage);
    return [stock, imageIds.get(1) ?? ""];
  }
});

/**
 * Kills a child at a random moment: in even rounds of the time that it usually takes, in odd ones after `begun`. Returns
 * the moment, so that a failure can be tried again.
 */
async function kill(
  command: keyof typeof KILLS,
  child: ChildProcess,
  usualMs: number,
  round: number,
  begun: () => boolean,
): Promise<string> {
  const end = ended(child);
  let over = false;
  void end.then(() => {
    over = true;
  });
  const first = round % 2 === 1;
  const ms = first ? Math.random() * AFTER_FIRST_CHANGE[command] : (0.3 + 0.75 * Math.random()) * usualMs;
  if (first) while (!over && !begun()) await delay(1);
  await delay(ms);
  child.kill("SIGKILL");
  await end;
  return `${command} killed ${ms.toFixed(1)} ms after its ${first ? "first change" : `start, of ${usualMs.toFixed(0)} ms`}`;
}

async function complete(child: ChildProcess): Promise<void> {
  const stderr: Buffer[] = [];
  child.stdout?.resume();
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  const status = await ended(child);
  if (status !== 0) throw new Error(`status ${status}: ${Buffer.concat(stderr).toString("utf8")}`);
}

async function findings(repo: string): Promise<string[]> {
  await using repository = await Repository.open(repo);
  const report = await repository.fsck();
  return report.findings.map((found) => findingText(found));
}

/** All names of a repository with their link texts. */
function names(repo: string): Record<string, string> {
  const list = streamLinks(repo);
  const images = run("bash", [
    "-c",
    'cd "$1" && { [ ! -d images ] || find images -type l -printf "%p %l\\n"; }',
    "bash",
    repo,
  ]);
  const pairs = images.split("\n").flatMap((line) => (line === "" ? [] : [line.split(" ") as [string, string]]));
  return { ...list, ...Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function objectNames(repo: string): string[] {
  return objects(repo).map(({ path }) => path.split("/").slice(-2).join("/"));
}

async function duration(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
