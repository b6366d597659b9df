import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, constants, existsSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tryOfdLock } from "@composefs/reflink";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LockOptions, lockShared } from "../src/store-lock.ts";
import { openFds, removeTempDirs, tempDir } from "./store-dir.ts";

let dir: string;
let dirFd: number;
let file: string;

beforeEach(() => {
  dir = tempDir();
  file = join(dir, "layers.lock");
  dirFd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
});

afterEach(() => {
  closeSync(dirFd);
  removeTempDirs();
});

const lock = (options?: LockOptions) => lockShared(dirFd, "layers.lock", file, options);

/** Holds an exclusive lock of the kind a writer in this process would have. */
function holdExclusive(): () => void {
  const fd = openSync(file, "r+");
  expect(tryOfdLock(fd, "exclusive")).toBe(true);
  return () => closeSync(fd);
}

test("no lock file: an empty token, and none is made", async () => {
  const held = await lock();
  expect(held.token.length).toBe(0);
  held.close();
  expect(existsSync(file)).toBe(false);
});

test.each([0, 10, 64, 100])("gives at most 64 of a file's %d bytes as token", async (size) => {
  writeFileSync(file, Buffer.alloc(size, 7));
  const held = await lock();
  expect(held.token).toEqual(Buffer.alloc(Math.min(size, 64), 7));
  held.close();
});

test("keeps writers out until closed, once and for all", async () => {
  writeFileSync(file, "");
  const held = await lock();
  const other = await lock();
  const writer = openSync(file, "r+");
  try {
    expect(tryOfdLock(writer, "exclusive")).toBe(false);
    held.close();
    held.close();
    expect(tryOfdLock(writer, "exclusive")).toBe(false);
    other.close();
    expect(tryOfdLock(writer, "exclusive")).toBe(true);
  } finally {
    closeSync(writer);
  }
});

test("waits for a writer without blocking the event loop", async () => {
  writeFileSync(file, "");
  const release = holdExclusive();
  setTimeout(release, 80);
  const start = performance.now();
  const held = await lock();
  expect(performance.now() - start).toBeGreaterThanOrEqual(75);
  held.close();
});

test("gives up after the limit and leaves no descriptor", async () => {
  writeFileSync(file, "");
  const release = holdExclusive();
  const before = openFds();
  await expect(lock({ lockTimeoutMs: 40 })).rejects.toMatchObject({
    code: "STORAGE_LOCKED",
    details: { file, timeoutMs: 40 },
  });
  await expect(lock({ lockTimeoutMs: 0 })).rejects.toMatchObject({ code: "STORAGE_LOCKED" });
  expect(openFds()).toBe(before);
  release();
});

test("an abort ends the wait at once with its reason and leaves no descriptor", async () => {
  writeFileSync(file, "");
  const release = holdExclusive();
  const before = openFds();
  const aborter = new AbortController();
  setTimeout(() => aborter.abort(new Error("enough")), 300);
  const start = performance.now();
  await expect(lock({ signal: aborter.signal })).rejects.toThrow("enough");
  expect(performance.now() - start).toBeLessThan(2000);
  await expect(lock({ signal: aborter.signal })).rejects.toThrow("enough");
  expect(openFds()).toBe(before);
  release();
});

test.each(["directory", "symlink"])("refuses a %s in place of the file", async (kind) => {
  const { mkdirSync, symlinkSync } = await import("node:fs");
  if (kind === "directory") mkdirSync(file);
  else symlinkSync("/etc/passwd", file);
  const before = openFds();
  const code = kind === "directory" ? "STORE_CORRUPT" : "UNSAFE_PATH";
  await expect(lock()).rejects.toMatchObject({ code });
  expect(openFds()).toBe(before);
});

/** Podman takes record locks (fcntl F_SETLK), which Node cannot; Python's `lockf` is that call. */
const HOLDER = `
import fcntl, sys
f = open(sys.argv[1], "r+")
fcntl.lockf(f, fcntl.LOCK_EX if sys.argv[2] == "write" else fcntl.LOCK_SH)
print("held", flush=True)
sys.stdin.readline()
`;
const PROBE = `
import fcntl, sys
f = open(sys.argv[1], "r+")
try:
    fcntl.lockf(f, (fcntl.LOCK_EX if sys.argv[2] == "write" else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    print("free")
except OSError:
    print("busy")
`;

function pythonMissing(): boolean {
  try {
    execFileSync("python3", ["-c", "import fcntl"], { stdio: "ignore" });
    return false;
  } catch {
    process.stderr.write("skipped, needs python3: record locks of another process\n");
    return true;
  }
}

describe.skipIf(pythonMissing())("beside another process with record locks", () => {
  let holder: ChildProcess | undefined;

  beforeEach(() => writeFileSync(file, ""));
  afterEach(() => {
    holder?.kill();
    holder = undefined;
  });

  async function hold(type: "read" | "write"): Promise<ChildProcess> {
    const child = spawn("python3", ["-c", HOLDER, file, type], { stdio: ["pipe", "pipe", "inherit"] });
    holder = child;
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once("data", () => resolve());
      child.once("exit", () => reject(new Error("the holder ended early")));
    });
    return child;
  }
  const probe = (type: "read" | "write"): string =>
    execFileSync("python3", ["-c", PROBE, file, type], { encoding: "utf8" }).trim();

  test("waits for its write lock", async () => {
    const child = await hold("write");
    await expect(lock({ lockTimeoutMs: 100 })).rejects.toMatchObject({ code: "STORAGE_LOCKED" });
    const waiting = lock();
    child.stdin?.write("\n");
    (await waiting).close();
  });

  test("goes on when the holder dies", async () => {
    const child = await hold("write");
    const waiting = lock();
    child.kill("SIGKILL");
    (await waiting).close();
  });

  test("shares with its read lock", async () => {
    await hold("read");
    (await lock({ lockTimeoutMs: 0 })).close();
  });

  test("keeps its writers out but not its readers", async () => {
    const held = await lock();
    expect([probe("write"), probe("read")]).toEqual(["busy", "free"]);
    // A record lock would be gone with this; see containers-storage.md §2.2.
    closeSync(openSync(file, "r"));
    expect(probe("write")).toBe("busy");
    held.close();
    expect(probe("write")).toBe("free");
  });
});
