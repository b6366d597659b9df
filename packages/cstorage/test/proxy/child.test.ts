import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HelperChild, startChild } from "../../src/proxy/child.ts";
import { openFds } from "../store-dir.ts";
import { settled } from "./support.ts";

let before: number;
beforeEach(() => {
  before = openFds();
});
afterEach(async () => {
  await settled();
  expect(openFds()).toBe(before);
});

async function start(script: string): Promise<HelperChild> {
  const input = openSync("/dev/null", "r");
  try {
    return await startChild(["sh", "-c", script], input, process.env);
  } finally {
    closeSync(input);
  }
}

/** The number that `child` writes on standard error as soon as it has started another process. */
const startedBy = (child: HelperChild): Promise<number> =>
  new Promise((resolve) => child.process.stderr?.once("data", (text: string) => resolve(Number(text))));

test("how a child ended, and the last it wrote", async () => {
  expect(await (await start("echo one >&2; echo two >&2; exit 3")).ended).toBe("exit status 3: one; two");
  expect(await (await start("kill -9 $$")).ended).toBe("signal SIGKILL");
});

test("a process left behind, which holds standard error open, keeps nobody waiting", async () => {
  const child = await start("sleep 1000 & echo $! >&2; exit 4");
  const left = await startedBy(child);
  expect(await child.ended).toMatch(/^exit status 4: \d+$/);
  process.kill(left, "SIGKILL");
});

test("with a child those go that it started, also those of theirs", async () => {
  const child = await start("sh -c 'sleep 1000 & echo $! >&2; wait' & wait");
  const grandchild = await startedBy(child);
  child.kill();
  expect(await child.ended).toMatch(/^signal SIGKILL/);
  await expect.poll(() => isRunning(grandchild)).toBe(false);
  child.kill();
});

/** One that has ended and nobody reaps has no command line. */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file, "latin1") !== "";
}
