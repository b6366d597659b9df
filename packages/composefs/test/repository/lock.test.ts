import { closeSync, constants, openSync } from "node:fs";
import { tryFlock } from "@composefs/reflink";
import { expect, test } from "vitest";
import { lockRepository } from "../../src/repository/lock.ts";
import { atEnd, codeOf, newRepository, openDescriptors, openRepository } from "../support.ts";

function holder(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  atEnd(() => closeSync(fd));
  return fd;
}

test("users share it, and keep the collector out until they close", async () => {
  const first = await newRepository();
  const second = await openRepository(first.path, { lockTimeoutMs: 0 });
  const collector = holder(first.path);
  expect(await codeOf(() => lockRepository(collector, "exclusive", first.path, { lockTimeoutMs: 20 }))).toBe(
    "REPO_LOCKED",
  );
  await second.close();
  await first.close();
  await lockRepository(collector, "exclusive", first.path, { lockTimeoutMs: 0 });
  const before = openDescriptors();
  const started = performance.now();
  expect(await codeOf(() => openRepository(first.path, { lockTimeoutMs: 60 }))).toBe("REPO_LOCKED");
  expect(performance.now() - started).toBeGreaterThan(50);
  expect(openDescriptors()).toBe(before);
});

test("waiting ends with the lock, or with the signal", async () => {
  const repository = await newRepository();
  await repository.close();
  const fd = holder(repository.path);
  expect(tryFlock(fd, "exclusive")).toBe(true);
  const controller = new AbortController();
  const aborted = codeOf(() => openRepository(repository.path, { signal: controller.signal }));
  const opened = openRepository(repository.path);
  setTimeout(() => controller.abort(), 20);
  expect(await aborted).toBe("ABORT_ERR");
  tryFlock(fd, "unlock");
  expect((await opened).hash).toBe("sha256");
  const code = await codeOf(() => openRepository(repository.path, { signal: AbortSignal.abort() }));
  expect(code).not.toBe("none");
});

test("who waits longer than a second is told for whom, once", async () => {
  const repository = await newRepository();
  await repository.close();
  const fd = holder(repository.path);
  expect(tryFlock(fd, "exclusive")).toBe(true);
  const told: number[][] = [];
  const onWait = (holders: readonly { readonly pid: number }[]) => {
    told.push(holders.map(({ pid }) => pid));
  };
  expect(await codeOf(() => openRepository(repository.path, { lockTimeoutMs: 300, onWait }))).toBe("REPO_LOCKED");
  expect(told).toEqual([]);
  expect(await codeOf(() => openRepository(repository.path, { lockTimeoutMs: 1600, onWait }))).toBe("REPO_LOCKED");
  expect(told).toEqual([[process.pid]]);
});
