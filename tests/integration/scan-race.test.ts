import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scanDirectory } from "../../packages/composefs/src/scan/scan-directory.ts";

/** Makes each of 400 names a directory, a file, a symlink and a fifo in turn, until it is killed. */
const CHANGE = `
import os, sys
os.chdir(sys.argv[1])
turn = 0
while True:
    turn += 1
    for i in range(400):
        name = f"x{i}"
        try: os.unlink(name)
        except IsADirectoryError: os.rmdir(name)
        except FileNotFoundError: pass
        kind = (turn + i) % 4
        if kind == 0: os.mkdir(name)
        elif kind == 1: open(name, "wb").write(b"y" * 3000)
        elif kind == 2: os.symlink("nowhere", name)
        else: os.mkfifo(name)
`;

test("nodes that change their type between readdir and fstat are told by name", async () => {
  const base = mkdtempSync(join(tmpdir(), "cfs-scan-"));
  const root = join(base, "tree");
  mkdirSync(root);
  const changer = spawn("python3", ["-c", CHANGE, root], { stdio: "ignore" });
  try {
    const ends = new Map<string, number>();
    const until = Date.now() + 60_000;
    while (Date.now() < until && (ends.get("FILE_CHANGED") ?? 0) < 20) {
      const error = await scanDirectory(root, { hash: "sha256" }).catch((caught: unknown) => caught);
      const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : "done";
      ends.set(String(code), (ends.get(String(code)) ?? 0) + 1);
      if (code !== "FILE_CHANGED") continue;
      const { path, expected, found } = (error as unknown as { details: Record<string, unknown> }).details;
      expect(path).toMatch(/\/tree\/x\d+$/);
      expect(found).not.toBe(expected);
    }
    // A name that is gone when its turn comes is the kernel's ENOENT; nothing else may happen.
    expect([...ends.keys()].filter((end) => !["done", "FILE_CHANGED", "ENOENT"].includes(end))).toEqual([]);
    expect(ends.get("FILE_CHANGED")).toBe(20);
  } finally {
    changer.kill();
    await new Promise((resolve) => changer.once("close", resolve));
    rmSync(base, { recursive: true, force: true });
  }
});
