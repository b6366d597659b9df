import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeBigLayer } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk, ended, startCfsctl } from "../support/cfsctl.ts";
import { cfsctlOf, helpersOf, type ProcessFacts } from "../support/processes.ts";
import { objects, streamLinks } from "../support/repo-state.ts";
import { openRootless, type Rootless } from "../support/rootless.ts";
import { testStore, userStore } from "../support/store.ts";
import { buildImage } from "../support/store-builder.ts";

const ROUNDS = 6;
const FILES = 600;
/** Longest wait, in milliseconds, for what must be gone by itself. */
const GONE_MS = 60_000;
/** Far more than the helper may send ahead. */
const MANY_FILES = 6000;

describe.skipIf(requires("xfs", "userns", "buildah", "cfsctl") !== null)("kill -9 around the helper", () => {
  let machine: Rootless;
  let reference: string;
  let longLayer: string;
  let whole: Record<string, string>;
  let usualMs: number;

  beforeAll(async () => {
    machine = openRootless("xfs");
    const source = testStore(join(machine.path, "source"));
    const store = userStore(machine.user, join(machine.user.home, "storage"));
    const toUser = (name: string, layers: readonly ((dir: string) => void)[]): string => {
      buildImage(source, name, layers);
      const archive = join(machine.path, `${name.length}.tar`);
      source.podman("save", "--quiet", "--format", "oci-archive", "--output", archive, name);
      machine.user.own(archive);
      store.podman("load", "--quiet", "--input", archive);
      return `containers-storage:${store.reference(name)}`;
    };
    const layers = [0, 1].map((layer) => (dir: string) => writeBigLayer(dir, layer, FILES, { privateEvery: 50 }));
    reference = toUser("localhost/killed:latest", layers);
    longLayer = toUser("localhost/long:latest", [writeManyFiles]);
    const repo = await newRepository("undisturbed");
    const start = performance.now();
    await cfsctlOk(pullArguments(repo), { as: machine });
    usualMs = performance.now() - start;
    whole = streamLinks(repo);
  });
  afterAll(() => machine?.dispose());

  const pullArguments = (repo: string): string[] => ["--repo", repo, "oci", "pull", reference, "test"];

  async function newRepository(name: string): Promise<string> {
    const repo = join(machine.user.home, name);
    await cfsctlOk(["--repo", repo, "init", "--insecure"], { as: machine });
    return repo;
  }

  test.each([
    ["the helper", (uid: number) => helpersOf(uid)],
    ["podman between them", (uid: number) => cfsctlOf(uid).filter(({ command }) => command.startsWith("podman"))],
  ])(`of %s, ${ROUNDS} times`, async (_, victims) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const repo = await newRepository(`round-${round}`);
      const child = startCfsctl(pullArguments(repo), { as: machine });
      const stderr: string[] = [];
      child.stderr?.on("data", (piece: Buffer) => stderr.push(piece.toString("utf8")));
      child.stdout?.resume();
      const end = ended(child);
      await killAfter(victims, round);
      const status = await end;
      const label = `round ${round}: status ${status}, ${stderr.join("")}`;
      // One that was killed before its first answer has a successor; one that had given all is not missed.
      if (status !== 0) {
        expect(status, label).toBe(1);
        expect(stderr.join(""), label).toMatch(/\[HELPER_(PROTOCOL|UNAVAILABLE)\]/);
        expect(streamLinks(repo), label).toEqual({});
      }
      await expectRecovery(repo, label);
    }
  });

  test(`of the pull, ${ROUNDS} times`, async () => {
    let interrupted = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const repo = await newRepository(`round-${round}`);
      const child = startCfsctl(pullArguments(repo), { as: machine });
      child.stderr?.resume();
      child.stdout?.resume();
      const end = ended(child);
      const [, killed] = await Promise.all([end, killAfter(() => [{ pid: child.pid as number, command: "" }], round)]);
      if (killed && objects(repo).length > 0) interrupted += 1;
      await expectRecovery(repo, `round ${round}`);
    }
    expect(interrupted).toBeGreaterThan(0);
  });

  test("of the helper in the middle of a layer: a coded error", async () => {
    const repo = await newRepository("middle");
    const child = startCfsctl(["--repo", repo, "oci", "pull", longLayer, "long"], { as: machine });
    const stderr: string[] = [];
    child.stderr?.on("data", (piece: Buffer) => stderr.push(piece.toString("utf8")));
    child.stdout?.resume();
    const end = ended(child);
    while (objects(repo).length === 0 && child.exitCode === null) await delay(1);
    for (const { pid } of helpersOf(machine.user.uid)) kill(pid);
    const status = await end;
    expect([status, stderr.join("")]).toEqual([1, expect.stringContaining("[HELPER_PROTOCOL]")]);
    await expectRecovery(repo, "middle");
  });

  /** Waits for a helper, then some of the time that a pull takes, and kills. Returns whether anything was there. */
  async function killAfter(victims: (uid: number) => readonly ProcessFacts[], round: number): Promise<boolean> {
    const { uid } = machine.user;
    const deadline = performance.now() + usualMs * 5;
    while (victims(uid).length === 0 || helpersOf(uid).length === 0) {
      if (performance.now() > deadline) return false;
      await delay(1);
    }
    await delay((usualMs * 0.6 * round) / ROUNDS);
    const found = victims(uid);
    for (const { pid } of found) kill(pid);
    return found.length > 0;
  }

  /** Nothing of the pull runs on, what it left is sound, and another one completes it. */
  async function expectRecovery(repo: string, label: string): Promise<void> {
    const deadline = performance.now() + GONE_MS;
    while (cfsctlOf(machine.user.uid).length > 0 && performance.now() < deadline) await delay(10);
    expect(cfsctlOf(machine.user.uid), label).toEqual([]);
    const { exitCode, stdout } = await cfsctl(["--repo", repo, "fsck"], { as: machine });
    expect([exitCode, exitCode === 0 ? "" : stdout], label).toEqual([0, ""]);
    await cfsctlOk(pullArguments(repo), { as: machine });
    expect(streamLinks(repo), label).toEqual(whole);
    machine.user.run("rm", ["-r", repo]);
  }
});

function writeManyFiles(dir: string): void {
  mkdirSync(join(dir, "usr"));
  for (let i = 0; i < MANY_FILES; i += 1) writeFileSync(join(dir, `usr/${i}`), `file ${i} `.repeat(10), { mode: 0 });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
