import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type LockType, tryFlock, tryOfdLock } from "../src/index.ts";
import { open, temporaryDirectory } from "./support.ts";

const ADDON = fileURLToPath(new URL("../build/Release/reflink.node", import.meta.url));

/** Another process that holds a lock until it is killed: 0 shared, 1 exclusive for OFD; 1 and 2 for flock. */
async function hold(path: string, call: "ofdLock" | "flock", argument: number): Promise<() => Promise<void>> {
  const script = `
    const fd = require("node:fs").openSync(process.argv[1], "r+");
    console.log(require(process.argv[2])[process.argv[3]](fd, Number(process.argv[4])));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["-e", script, path, ADDON, call, `${argument}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = await once(child.stdout, "data");
  expect(`${output}`.trim()).toBe("0");
  return async () => {
    child.kill("SIGKILL");
    await once(child, "exit");
  };
}

const KINDS = [
  ["OFD", "ofdLock", tryOfdLock, { shared: 0, exclusive: 1 }],
  ["flock", "flock", tryFlock, { shared: 1, exclusive: 2 }],
] as const;

test.each(KINDS)("%s: two processes, and the lock ends with its holder", async (_, call, tryLock, numbers) => {
  const path = join(temporaryDirectory(), "lock");
  writeFileSync(path, "");
  const fd = open(path, constants.O_RDWR);
  const attempt = (type: LockType): boolean => tryLock(fd, type);

  const endShared = await hold(path, call, numbers.shared);
  expect(attempt("exclusive")).toBe(false);
  expect(attempt("shared")).toBe(true);
  expect(attempt("unlock")).toBe(true);
  await endShared();
  const endExclusive = await hold(path, call, numbers.exclusive);
  expect(attempt("shared")).toBe(false);
  await endExclusive();
  expect(attempt("exclusive")).toBe(true);
});

test("OFD locks belong to the open file: two opens of one process exclude each other", () => {
  const path = join(temporaryDirectory(), "lock");
  writeFileSync(path, "");
  const [first, second] = [open(path, constants.O_RDWR), open(path, constants.O_RDWR)];
  expect(tryOfdLock(first, "exclusive")).toBe(true);
  expect(tryOfdLock(second, "shared")).toBe(false);
  expect(tryOfdLock(first, "unlock")).toBe(true);
  expect(tryOfdLock(second, "shared")).toBe(true);
});

test("an exclusive OFD lock needs a descriptor open for writing", () => {
  const path = join(temporaryDirectory(), "lock");
  writeFileSync(path, "");
  expect(() => tryOfdLock(open(path), "exclusive")).toThrow(expect.objectContaining({ code: "EBADF" }));
});

test("flock: a conversion that fails gives the lock up", () => {
  const dir = temporaryDirectory();
  const [first, second, third] = [open(dir), open(dir), open(dir)];
  expect(tryFlock(first, "shared")).toBe(true);
  expect(tryFlock(second, "shared")).toBe(true);
  expect(tryFlock(first, "exclusive")).toBe(false);
  expect(tryFlock(second, "unlock")).toBe(true);
  expect(tryFlock(third, "exclusive")).toBe(true);
});

test("a bad descriptor is an error, not a conflict", () => {
  expect(() => tryFlock(1_000_000, "shared")).toThrow(expect.objectContaining({ code: "EBADF" }));
  expect(() => tryOfdLock(1_000_000, "shared")).toThrow(expect.objectContaining({ code: "EBADF" }));
});
