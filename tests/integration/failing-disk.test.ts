import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { content } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctl } from "../support/cfsctl.ts";
import { writeLayout } from "../support/layout-builder.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo } from "../support/repo.ts";
import { runBytes } from "../support/run.ts";

const MIB = 2 ** 20;
/** So much that the kernel is told to write while files are still stored, and fails long before the end. */
const FILES = 96;

// The page cache takes everything; only the kernel's writing to the disk fails, after the calls that stored files are over.
describe.skipIf(requires("xfs", "cfsctl") !== null)("a disk that cannot hold what was written to it", () => {
  let work: string;
  let fs: LoopFs;
  let tree: string;
  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), "composefs-"));
    fs = mountLoopFs("xfs", { failsAfter: 24 * MIB });
    tree = join(work, "tree");
    mkdirSync(join(tree, "usr"), { recursive: true });
    for (let i = 0; i < FILES; i++) {
      writeFileSync(join(tree, `usr/${i}`), content(createHash("sha256").update(`${i}`).digest(), MIB));
    }
  });
  afterEach(() => {
    fs?.dispose();
    rmSync(work, { recursive: true });
  });

  test.each([
    ["holds the repository", false],
    ["is that of objects/ alone, a symlink", true],
  ])("and %s: pull and create-image fail, and give no name", async (_, objectsAlone) => {
    const repo = await initRepo(join(objectsAlone ? work : fs.path, "repo"));
    if (objectsAlone) {
      mkdirSync(join(fs.path, "objects"));
      rmSync(join(repo, "objects"), { recursive: true, force: true });
      symlinkSync(join(fs.path, "objects"), join(repo, "objects"));
    }
    const layout = writeLayout(join(work, "layout"), [plainLayer(tree)]);
    for (const args of [
      ["oci", "pull", layout, "test"],
      ["create-image", tree, "test"],
    ]) {
      const { exitCode, stdout, stderr } = await cfsctl(["--repo", repo, ...args]);
      expect({ exitCode, stdout }, args[0]).toEqual({ exitCode: 1, stdout: "" });
      expect(stderr, args[0]).toMatch(/\[(ENOSPC|EIO)\]\n/);
      expect(existsSync(join(repo, "streams")), args[0]).toBe(false);
      expect(existsSync(join(repo, "images")), args[0]).toBe(false);
    }
  });
});

function plainLayer(tree: string) {
  const tar = runBytes("tar", ["-c", "--sort=name", "-C", tree, "usr"]);
  return { tar, blob: tar, mediaType: "application/vnd.oci.image.layer.v1.tar" };
}
