import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { initRepository, type ObjectId, Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { content } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { writeLayout } from "../support/layout-builder.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo } from "../support/repo.ts";
import { runBytes } from "../support/run.ts";

const MIB = 2 ** 20;
/** So much that the kernel is told to write while files are still stored, and fails long before the end. */
const FILES = 96;
const ROOM = 10 * MIB;

// The page cache takes everything; only the kernel's writing to the disk fails, after the calls that stored files are over.
describe.skipIf(requires("xfs", "cfsctl") !== null)("a disk that cannot hold what was written to it", () => {
  let work: string;
  let fs: LoopFs;
  let tree: string;
  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), "composefs-"));
    fs = mountLoopFs("xfs", { failsAfter: ROOM });
    tree = join(work, "tree");
    mkdirSync(join(tree, "usr"), { recursive: true });
    for (let i = 0; i < FILES; i++) {
      writeFileSync(join(tree, `usr/${i}`), fileContent(i));
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
      expect(stderr, args[0]).toMatch(/ \[(SYNC_FAILED|ENOSPC|EIO)\]\n/);
      expect(existsSync(join(repo, "streams")), args[0]).toBe(false);
      expect(existsSync(join(repo, "images")), args[0]).toBe(false);
    }
  });

  test("once there is room, gc and the same pull again give a sound image", async () => {
    const repo = await initRepo(join(fs.path, "repo"));
    const pull = ["--repo", repo, "oci", "pull", writeLayout(join(work, "layout"), [plainLayer(tree)]), "test"];
    expect((await cfsctl(pull)).stderr).toContain("[SYNC_FAILED]\nHint: see to the disk");
    fs.remount(() => fs.mend());
    await cfsctlOk(["--repo", repo, "gc"]);
    await cfsctlOk(pull);
    fs.remount(() => undefined);
    await cfsctlOk(["--repo", repo, "fsck"]);
    expect((await cfsctlOk(["--repo", repo, "oci", "images"])).stdout).toContain("test");
  });
});

/** Of the kernel's errors each open file is told once. */
describe.skipIf(requires("xfs") !== null)("a disk that failed while only the kernel was hurried", () => {
  let fs: LoopFs;
  let repository: Repository;
  beforeEach(async () => {
    fs = mountLoopFs("xfs", { failsAfter: ROOM });
    const path = join(fs.path, "repo");
    initRepository(path, { insecure: true });
    repository = await Repository.open(path);
  });
  afterEach(async () => {
    await repository?.close();
    fs?.dispose();
  });

  /** Stores files of 1 MiB; returns the id of the last. */
  async function putFiles(count: number): Promise<ObjectId> {
    let id = "" as ObjectId;
    for (let i = 0; i < count; i++) id = await repository.objects.put(fileContent(i), "content");
    return id;
  }

  test.each([
    ["by beginSync", 40, true],
    ["after 64 MiB", 72, false],
  ])("%s: sync fails all the same, each time, and nothing is named", async (_, files, begin) => {
    const id = await putFiles(files);
    if (begin) repository.objects.beginSync();
    await expect.poll(() => statfsSync(dirname(fs.image)).bavail).toBe(0);
    await setTimeout(500); // for the early call to end; if it has not, what follows is true all the same
    fs.mend();
    for (let i = 0; i < 2; i++) {
      await expect(repository.objects.sync()).rejects.toMatchObject({ code: "SYNC_FAILED" });
      const publication = { streams: [{ contentId: "x", id }] };
      await expect(repository.publish(publication)).rejects.toMatchObject({ code: "SYNC_FAILED" });
      expect(existsSync(join(repository.path, "streams"))).toBe(false);
    }
  });

  test("names that were given before do not hide it", async () => {
    const id = await repository.objects.put(Buffer.alloc(100), "content");
    const publication = { streams: [{ contentId: "x", id }] };
    expect(await repository.publish(publication)).toBe(true);
    expect(await repository.publish(publication)).toBe(false);
    await putFiles(40);
    await expect(repository.publish(publication)).rejects.toMatchObject({ code: "SYNC_FAILED" });
  });
});

function fileContent(index: number): Uint8Array {
  return content(createHash("sha256").update(`${index}`).digest(), MIB);
}

function plainLayer(tree: string) {
  const tar = runBytes("tar", ["-c", "--sort=name", "-C", tree, "usr"]);
  return { tar, blob: tar, mediaType: "application/vnd.oci.image.layer.v1.tar" };
}
