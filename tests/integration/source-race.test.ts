import { spawn } from "node:child_process";
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ObjectStore, type StoreOutcome, verityDigest } from "../../native/reflink/src/index.ts";
import { requires } from "../support/capabilities.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { objects } from "../support/repo-state.ts";
import { run } from "../support/run.ts";

/** After this many milliseconds without a change a file may be hashed before it is cloned. */
const SETTLED_MS = 4_200;
const COUNT = 200;

/** Writes each of so many files once through a mapping, waits for a line of input, and goes on until it is killed. */
const WRITE = `
import mmap, sys
root, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
maps = []
for i in range(count):
    with open(f"{root}/{i}", "wb+") as file:
        file.write(i.to_bytes(4, "little") * (size // 4))
        file.flush()
        maps.append(mmap.mmap(file.fileno(), size))
    maps[-1][8] ^= 1
print("ready", flush=True)
while True:
    for mapping in maps: mapping[8] ^= 3
`;

describe.skipIf(requires("reflink") !== null)("sources that change while they are stored", () => {
  let fs: LoopFs;
  let made = 0;
  beforeAll(() => {
    fs = mountLoopFs("xfs");
  });
  afterAll(() => fs?.dispose());

  /** Directories for sources and, below a repository, objects. */
  function newPlace() {
    const repo = join(fs.path, `repo-${made++}`);
    const [sources, objectsDir] = [join(repo, "sources"), join(repo, "objects")];
    mkdirSync(sources, { recursive: true });
    mkdirSync(objectsDir);
    return { repo, sources, objectsDir };
  }

  async function storeAll(sources: string, objectsDir: string, names: readonly string[], size: number) {
    const [dirFd, objectsFd] = [openSync(sources, "r"), openSync(objectsDir, "r")];
    try {
      const store = new ObjectStore({ objectsFd, hash: "sha256", verity: false });
      return await store.storeFiles(
        [dirFd],
        names.map((name) => ({ path: Buffer.from(name), size })),
      );
    } finally {
      closeSync(dirFd);
      closeSync(objectsFd);
    }
  }

  test.each([8_000, 300_000])(
    "files of %i bytes, written through mappings: no object has a wrong name",
    async (size) => {
      const { repo, sources, objectsDir } = newPlace();
      const writer = spawn("python3", ["-c", WRITE, sources, String(COUNT), String(size)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let outcomes: readonly StoreOutcome[];
      try {
        await new Promise((resolve) => writer.stdout.once("data", resolve));
        // A page that is dirty and mapped takes writes without a fault, which leave no time stamp.
        await delay(SETTLED_MS);
        const names = Array.from({ length: COUNT }, (_, i) => String(i));
        outcomes = await storeAll(sources, objectsDir, names, size);
      } finally {
        writer.kill("SIGKILL");
        await new Promise((resolve) => writer.once("close", resolve));
      }
      const methods = outcomes.map((outcome) => ("method" in outcome ? outcome.method : "failed"));
      expect(methods).toEqual(methods.map(() => "reflinked"));
      const stored = objects(repo).map(({ path }) => path);
      expect(stored).toHaveLength(COUNT);
      for (const path of stored)
        expect(path.slice(-65).replace("/", "")).toBe(
          Buffer.from(verityDigest(readFileSync(path), "sha256")).toString("hex"),
        );
    },
  );

  test("of a file that others may write the clone is hashed, even where its content is there", async () => {
    const { sources, objectsDir } = newPlace();
    for (const name of ["own", "other", "group", "world"]) writeFileSync(join(sources, name), "x".repeat(5_000));
    chownSync(join(sources, "other"), 12_345, 12_345);
    chmodSync(join(sources, "group"), 0o664);
    chmodSync(join(sources, "world"), 0o646);
    await storeAll(sources, objectsDir, ["own"], 5_000);
    await delay(SETTLED_MS);
    // No clone can be made here any more.
    run("mount", ["-o", "remount,ro", fs.path]);
    try {
      expect(await storeAll(sources, objectsDir, ["own"], 5_000)).toMatchObject([{ method: "already-present" }]);
      for (const name of ["other", "group", "world"]) {
        const [outcome] = await storeAll(sources, objectsDir, [name], 5_000);
        expect(outcome).toMatchObject({ failure: { step: "stage", error: { code: "EROFS" } } });
      }
    } finally {
      run("mount", ["-o", "remount,rw", fs.path]);
    }
  });
});
