import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { lockHolders } from "../../src/repository/lock-holders.ts";
import { Repository } from "../../src/repository/repository.ts";
import { ScratchRepository } from "./scratch-repository.ts";

async function open(scratch: ScratchRepository): Promise<Repository> {
  const repo = await Repository.open(scratch.path);
  onTestFinished(() => repo.close());
  return repo;
}

/** Holds a lock from another process, by flock(1), which becomes sleep(1) once it has it. */
async function holdElsewhere(scratch: ScratchRepository, type: "-s" | "-x") {
  const child = spawn("flock", [type, "-F", scratch.path, "sleep", "60"]);
  onTestFinished(() => void child.kill());
  await expect.poll(() => readFileSync(`/proc/${child.pid}/comm`, "utf8")).toBe("sleep\n");
  return child;
}

test.each(["gc", "repair"] as const)("%s waits for others, and names who is in the way", async (what) => {
  const scratch = new ScratchRepository();
  const dead = scratch.put("dead");
  const repo = await open(scratch);
  const child = await holdElsewhere(scratch, "-s");
  const run = (lockTimeoutMs?: number) =>
    what === "gc" ? repo.gc({ lockTimeoutMs }) : repo.fsck({ repair: true, lockTimeoutMs });
  await expect(run(30)).rejects.toMatchObject({
    code: "REPO_LOCKED",
    details: { holders: [{ pid: child.pid, command: "sleep" }] },
    message: expect.stringContaining(`process ${child.pid} (sleep)`),
  });
  expect(scratch.objects()).toEqual([dead]);
  await repo.publish({}); // the shared lock is back

  const waiting = run();
  await sleep(50);
  child.kill();
  await waiting;
  expect(scratch.objects()).toEqual(what === "gc" ? [] : [dead]);
});

test("objects of a pull under way are not collected", async () => {
  const scratch = new ScratchRepository();
  const [puller, collector] = [await open(scratch), await open(scratch)];
  const id = await puller.objects.put(Buffer.from("pulled, not yet named"), "test");
  await expect(collector.gc({ lockTimeoutMs: 30 })).rejects.toMatchObject({ code: "REPO_LOCKED" });
  expect(puller.objects.has(id)).toBe(true);
  await puller.close();
  expect((await collector.gc({ lockTimeoutMs: 1000 })).objectsRemoved).toBe(1);
});

test("a dry run, why and fsck need nobody to leave", async () => {
  const scratch = new ScratchRepository();
  const id = scratch.put("dead");
  const repo = await open(scratch);
  await holdElsewhere(scratch, "-s");
  expect((await repo.gc({ dryRun: true })).objectsRemoved).toBe(1);
  expect(await repo.why(id)).toBeNull();
  expect((await repo.fsck()).ok).toBe(true);
});

test("nobody opens the repository during gc, and all may afterwards", async () => {
  const scratch = new ScratchRepository();
  for (let i = 0; i < 300; i++) scratch.put(`dead ${i}`);
  const repo = await open(scratch);
  const running = repo.gc();
  await expect(Repository.open(scratch.path, { lockTimeoutMs: 0 })).rejects.toMatchObject({ code: "REPO_LOCKED" });
  await running;
  await open(scratch);
});

test("a handle that lost its lock to somebody's gc names nothing any more", async () => {
  const scratch = new ScratchRepository();
  const repo = await open(scratch);
  // Turns its shared lock into an exclusive one when it is told to.
  const script = `
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
for kind in (fcntl.LOCK_SH, fcntl.LOCK_EX):
    fcntl.flock(fd, kind)
    print("has it", flush=True)
    sys.stdin.readline()
`;
  const child = spawn("python3", ["-c", script, scratch.path]);
  onTestFinished(() => void child.kill());
  await once(child.stdout, "data");
  const waiting = repo.gc({ lockTimeoutMs: 1000 }); // it has tried, and lost its shared lock
  child.stdin.write("\n");
  await once(child.stdout, "data");
  await expect(waiting).rejects.toMatchObject({ code: "REPO_LOCKED" });
  await expect(repo.publish({})).rejects.toMatchObject({ code: "REPO_LOCKED" });
  child.kill();
  await once(child, "exit");
  await repo.gc(); // takes the lock anew
  await repo.publish({});
});

test("unknown features forbid removing, not looking", async () => {
  const scratch = new ScratchRepository();
  scratch.remove("meta.json");
  const features = { "read-only-compatible": ["something_new"] };
  scratch.write("meta.json", JSON.stringify({ version: 1, algorithm: "fsverity-sha256-12", features }));
  const repo = await open(scratch);
  await expect(repo.gc()).rejects.toMatchObject({ code: "REPO_READ_ONLY" });
  await expect(repo.fsck({ repair: true })).rejects.toMatchObject({ code: "REPO_READ_ONLY" });
  expect((await repo.gc({ dryRun: true })).objectsRemoved).toBe(0);
});

test("holders of a lock", async () => {
  const scratch = new ScratchRepository();
  expect(lockHolders(scratch.fd)).toEqual([]);
  await open(scratch);
  expect(lockHolders(scratch.fd)).toMatchObject([{ pid: process.pid }]);
});
