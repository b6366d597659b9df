import { basename } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctlOk } from "../support/cfsctl.ts";
import { extentsOf } from "../support/extents.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo } from "../support/repo.ts";
import { objects, streamLinks } from "../support/repo-state.ts";
import { run } from "../support/run.ts";
import { storedLayers, type TestStore, testStore } from "../support/store.ts";
import { BIG_FILES, buildBigImage } from "../support/store-builder.ts";
import { treeDigest } from "../support/tree-digest.ts";

const INLINE_LIMIT = 64;
const SAMPLE = 50;
/** Smaller files may lie inside the inode on btrfs, where no extent is shared. */
const SAMPLE_MIN_BYTES = 65_536;

for (const type of ["xfs", "btrfs"] as const) {
  const missing = requires(type, "buildah", "filefrag", "cfsctl");

  describe.skipIf(missing !== null)(`the big image on ${type}`, () => {
    let fs: LoopFs;
    let store: TestStore;
    let reference: string;
    let repo: string;
    let first: string;
    let sourceBefore: string;

    beforeAll(async () => {
      fs = mountLoopFs(type, { size: 4 * 2 ** 30 });
      store = testStore(fs.path);
      reference = buildBigImage(store);
      repo = await initRepo(`${fs.path}/repo`);
      sourceBefore = treeDigest(store.root, { inodes: true });
      first = (await cfsctlOk(["--repo", repo, "oci", "pull", `containers-storage:${reference}`, "big"])).stdout;
    });
    afterAll(() => fs?.dispose());

    test("reports every object as reflinked or present, none as copied", () => {
      const sums = sourceSums(store);
      expect(first).toContain("\nImport statistics:\n  layers: 3 (0 already present)\n");
      const [total, reflinked, copied, present] = objectCounts(first);
      expect(copied).toBe(0);
      expect(total).toBe(sums.length);
      expect(total).toBeGreaterThan(BIG_FILES * 0.9);
      // Each content once; what repeats is already there.
      expect(reflinked).toBe(new Set(sums).size);
      expect(present).toBe(total - reflinked);
      expect(first).toMatch(/^ {2}reflinked: \d+\.\d\d MiB \(zero-copy\)$/m);
      expect(first).toMatch(/^ {2}inlined: \d+\.\d\d MiB$/m);
      expect(first).not.toMatch(/^ {2}(copied|hardlinked):/m);
    });

    test("shares extents with the store", () => {
      const written = new Set(Object.values(streamLinks(repo)).map((target) => basename(target)));
      const cloned = objects(repo).filter(({ path, size }) => size > SAMPLE_MIN_BYTES && !written.has(basename(path)));
      expect(cloned.length).toBeGreaterThan(SAMPLE);
      const step = Math.floor(cloned.length / SAMPLE);
      const sample = cloned.filter((_, index) => index % step === 0).slice(0, SAMPLE);
      const source = new Set(extentsOf(sourceFiles(store, SAMPLE_MIN_BYTES)).flatMap(({ physical }) => physical));
      for (const extents of extentsOf(sample.map(({ path }) => path))) {
        expect(extents.total).toBeGreaterThan(0);
        expect(extents.shared, extents.path).toBe(extents.total);
        expect(extents.physical.every((block) => source.has(block))).toBe(true);
      }
    });

    test("leaves the store as it was", () => {
      expect(treeDigest(store.root, { inodes: true })).toBe(sourceBefore);
    });

    test("a second pull changes nothing and says so", async () => {
      const before = treeDigest(repo, { inodes: true });
      const second = (await cfsctlOk(["--repo", repo, "oci", "pull", `containers-storage:${reference}`, "big"])).stdout;
      expect(treeDigest(repo, { inodes: true })).toBe(before);
      expect(second).toContain("  layers: 3 (3 already present)\n");
      const [total, reflinked, copied, present] = objectCounts(second);
      expect([reflinked, copied]).toEqual([0, 0]);
      expect(present).toBe(total);
      expect(total).toBeGreaterThan(0);
      expect(identity(second)).toEqual(identity(first));
    });
  });
}

/** total, reflinked, copied, already present */
function objectCounts(stdout: string): [number, number, number, number] {
  const line = /^ {2}objects: (\d+) total \((\d+) reflinked, (\d+) copied, (\d+) already present\)$/m.exec(stdout);
  if (line === null) throw new Error(`no objects line in: ${stdout}`);
  const [total = 0, reflinked = 0, copied = 0, present = 0] = line.slice(1).map(Number);
  return [total, reflinked, copied, present];
}

function identity(stdout: string): string[] {
  return stdout.split("\n").filter((line) => /^(manifest|config|verity|tagged) /.test(line));
}

function sourceFiles(store: TestStore, aboveBytes: number): string[] {
  const dirs = storedLayers(store).map(({ diff }) => diff);
  return run("find", [...dirs, "-type", "f", "-size", `+${aboveBytes}c`]).split("\n");
}

function sourceSums(store: TestStore): string[] {
  const text = run("xargs", ["-d", "\n", "-P", "2", "-n", "500", "sha256sum", "--"], {
    input: sourceFiles(store, INLINE_LIMIT).join("\n"),
  });
  return text.split("\n").map((line) => line.slice(0, 64));
}
