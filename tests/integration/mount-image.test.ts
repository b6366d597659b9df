import {
  appendFileSync,
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseDumpfileBytes } from "../../packages/composefs/src/dumpfile/parse.ts";
import { type MountImageOptions, mountImage } from "../../packages/composefs/src/mount/mount-image.ts";
import { isDirectory } from "../../packages/composefs/src/tree/node.ts";
import { walkTree } from "../../packages/composefs/src/tree/walk.ts";
import { type PlainEntry, plainTree } from "../../packages/composefs/test/support/plain-tree.ts";
import { requires } from "../support/capabilities.ts";
import { run, succeeds } from "../support/run.ts";
import { walkIndependently } from "./scan-lay-out.ts";

// Images and texts recorded with the reference; see testdata/README.md.
const VECTORS = new URL("../../testdata/erofs/", import.meta.url);
const IMAGE = "03-kinds.sha256.v1.erofs";
const base = mkdtempSync(join(tmpdir(), "cfs-mount-"));
const objects = join(base, "objects");
const place = join(base, "mnt");

const skip = requires("erofs", "overlay") !== null;

/** What the recorded text says, in the words of the independent walk. */
function recorded(dump: string): PlainEntry[] {
  const tree = parseDumpfileBytes(readFileSync(new URL(dump, VECTORS)), { hash: "sha256" });
  return plainTree(tree).map((entry) => {
    const { id: _, ...content } = entry.content;
    return { ...entry, content };
  });
}

/** Files of the right sizes for all objects of a tree; without fs-verity nothing looks at their content. */
function makeObjects(dump: string): void {
  const tree = parseDumpfileBytes(readFileSync(new URL(dump, VECTORS)), { hash: "sha256" });
  for (const { node } of walkTree(tree)) {
    if (isDirectory(node) || node.content.kind !== "external") continue;
    const path = join(objects, node.content.id.slice(0, 2), node.content.id.slice(2));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Buffer.alloc(Number(node.content.size), node.content.id));
  }
}

function tableLine(point: string): string | undefined {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .find((line) => line.split(" ")[4] === point);
}

/** Directories below /tmp and loop devices that a mount may leave behind. */
function leftovers(): string[] {
  const places = readdirSync(tmpdir()).filter((name) => name.startsWith("composefs-mount-"));
  const loops = readdirSync("/sys/block").filter((name) => {
    const backing = `/sys/block/${name}/loop/backing_file`;
    return existsSync(backing) && readFileSync(backing, "utf8").includes(base);
  });
  return [...places, ...loops];
}

describe.skipIf(skip)("mountImage", () => {
  let objectsFd: number;
  beforeAll(() => {
    // Mount namespaces that other processes make keep what is mounted where the root is not shared, as podman's of a
    // user does for as long as it lives. Below a shared mount they let go of it with us.
    run("mount", ["--bind", base, base]);
    run("mount", ["--make-shared", base]);
    mkdirSync(objects);
    mkdirSync(place);
    for (const dump of ["03-kinds.sha256.dump", "10-hardlinks.sha256.dump"]) makeObjects(dump);
    for (const name of readdirSync(VECTORS)) {
      if (name.endsWith(".erofs")) copyFileSync(new URL(name, VECTORS), join(base, name));
    }
  });
  beforeEach(() => {
    objectsFd = openSync(objects, "r");
  });
  afterEach(() => {
    closeSync(objectsFd);
    while (tableLine(place) !== undefined) run("umount", [place]);
  });
  afterAll(() => {
    if (skip) return;
    run("umount", [base]);
    rmSync(base, { recursive: true, force: true });
  });

  async function mount(options: Partial<MountImageOptions> = {}): Promise<readonly string[]> {
    const image = join(base, IMAGE);
    const detached = await mountImage({ image, objects: [objectsFd], name: "test", verity: false, ...options });
    try {
      expect(tableLine(place)).toBeUndefined();
      await detached.attach(place);
      return detached.messages;
    } finally {
      await detached.close();
    }
  }

  test.each([
    ["03-kinds.sha256.v0.erofs", "03-kinds.sha256.dump"],
    ["03-kinds.sha256.v1.erofs", "03-kinds.sha256.dump"],
    ["03-kinds.sha256.v2.erofs", "03-kinds.sha256.dump"],
    ["10-hardlinks.sha256.v1.erofs", "10-hardlinks.sha256.dump"],
    ["10-hardlinks.sha256.v2.erofs", "10-hardlinks.sha256.dump"],
  ])("%s shows what %s says", async (image, dump) => {
    await mount({ image: join(base, image) });
    // Format V2 keeps whole seconds only.
    const whole = (entries: PlainEntry[]): PlainEntry[] =>
      !image.includes(".v2.")
        ? entries
        : entries.map((entry) => ({
            ...entry,
            stat: { ...entry.stat, mtime: String(entry.stat.mtime).replace(/ \d+ns/, " 0ns") },
          }));
    expect(whole(walkIndependently(place))).toEqual(whole(recorded(dump)));
  });

  test("the mount table tells the name and the options", async () => {
    await mount({ name: "an-image" });
    const line = tableLine(place);
    expect(line).toMatch(/ ro,relatime( .*)? - overlay composefs:an-image ro,/);
    expect(line).toContain("redirect_dir=on,metacopy=on");
    expect(line).not.toContain("verity");
  });

  describe.each([
    ["file, descriptors", { imageWay: "file", layerWay: "descriptors" }],
    ["file, paths", { imageWay: "file", layerWay: "paths" }],
    ["loop, descriptors", { imageWay: "loop", layerWay: "descriptors" }],
    ["loop, paths", { imageWay: "loop", layerWay: "paths" }],
  ] as const)("by %s", (_, ways) => {
    test("shows the files and leaves nothing behind", async () => {
      await mount(ways);
      expect(walkIndependently(place)).toEqual(recorded("03-kinds.sha256.dump"));
      expect(() => writeFileSync(join(place, "new"), "")).toThrow(expect.objectContaining({ code: "EROFS" }));
      run("umount", [place]);
      await expect.poll(leftovers).toEqual([]);
    });

    test("changes go to the upper directory", async () => {
      const [upperDir, workDir] = [join(base, "upper"), join(base, "work")];
      for (const path of [upperDir, workDir]) mkdirSync(path);
      try {
        await mount({ ...ways, upper: { upperDir, workDir }, readWrite: true });
        writeFileSync(join(place, "new"), "new");
        appendFileSync(join(place, "external"), "more");
        chmodSync(join(place, "inline"), 0o600);
        expect(statSync(join(place, "external")).size).toBe(1234 + 4);
        run("umount", [place]);
        expect(readdirSync(upperDir).sort()).toEqual(["external", "inline", "new"]);
        // Without leave to write they are there and no more can be made.
        await mount({ ...ways, upper: { upperDir, workDir } });
        expect(readFileSync(join(place, "new"), "utf8")).toBe("new");
        expect(() => appendFileSync(join(place, "new"), "")).toThrow(expect.objectContaining({ code: "EROFS" }));
        expect(() => writeFileSync(join(place, "other"), "")).toThrow(expect.objectContaining({ code: "EROFS" }));
        run("umount", [place]);
        await mount(ways);
        expect(statSync(join(place, "external")).size).toBe(1234);
      } finally {
        if (tableLine(place) !== undefined) run("umount", [place]);
        for (const path of [upperDir, workDir]) rmSync(path, { recursive: true });
      }
    });
  });

  test("an image on tmpfs falls back to a loop device", async () => {
    const memory = join(base, "memory");
    mkdirSync(memory);
    run("mount", ["-t", "tmpfs", "none", memory]);
    try {
      copyFileSync(join(base, IMAGE), join(memory, IMAGE));
      await mount({ image: join(memory, IMAGE) });
      expect(walkIndependently(place)).toEqual(recorded("03-kinds.sha256.dump"));
      run("umount", [place]);
      await expect(mount({ image: join(memory, IMAGE), imageWay: "file" })).rejects.toMatchObject({
        code: "MOUNT_FAILED",
        details: { errno: "ENOTBLK" },
      });
    } finally {
      succeeds("umount", [place]);
      // The loop device lets go of its file a moment after the last mount is gone.
      await expect.poll(() => succeeds("umount", [memory])).toBe(true);
    }
  });

  test("objects are looked for in every directory", async () => {
    const empty = join(base, "empty-objects");
    mkdirSync(empty);
    const emptyFd = openSync(empty, "r");
    try {
      for (const layerWay of ["descriptors", "paths"] as const) {
        await mount({ objects: [emptyFd, objectsFd], layerWay });
        expect(readFileSync(join(place, "external")).length).toBe(1234);
        run("umount", [place]);
      }
      await mount({ objects: [emptyFd] });
      expect(() => readFileSync(join(place, "external"))).toThrow();
      expect(readFileSync(join(place, "inline"), "utf8")).toBe("x");
    } finally {
      closeSync(emptyFd);
    }
  });

  test("owners can be mapped", async () => {
    const holder = run("sh", ["-c", "unshare --user sleep 60 >/dev/null 2>&1 & echo $!"]);
    try {
      const own = statSync("/proc/self/ns/user").ino;
      await expect.poll(() => statSync(`/proc/${holder}/ns/user`).ino).not.toBe(own);
      for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${holder}/${map}`, "0 100000 65536");
      const idMap = openSync(`/proc/${holder}/ns/user`, "r");
      try {
        await mount({ idMap });
      } finally {
        closeSync(idMap);
      }
      expect(statSync(join(place, "inline"))).toMatchObject({ uid: 101_000, gid: 101_000 });
    } finally {
      process.kill(Number(holder));
    }
  });

  test("with verity a file whose object has none cannot be read, on a file system that has no fs-verity", async () => {
    await mount({ verity: true });
    expect(tableLine(place)).toContain("verity=require");
    expect(() => readFileSync(join(place, "external"))).toThrow(expect.objectContaining({ code: "EIO" }));
    expect(readFileSync(join(place, "inline"), "utf8")).toBe("x");
  });

  test("what was not attached ends when it is closed", async () => {
    const detached = await mountImage({ image: join(base, IMAGE), objects: [objectsFd], name: "lost", verity: false });
    expect(readdirSync(`/proc/self/fd/${detached.fd}`)).toContain("inline");
    await detached.close();
    expect(() => detached.fd).toThrow(TypeError);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain("composefs:lost");
    await expect.poll(leftovers).toEqual([]);
  });

  test.each([
    ["a missing image", { image: "/nowhere/at/all" }, "ENOENT"],
    ["a missing upper directory", { upper: { upperDir: "/nowhere", workDir: "/nowhere" } }, "ENOENT"],
    ["an upper directory that is a file", { upper: { upperDir: "/etc/passwd", workDir: "/tmp" } }, "ENOTDIR"],
  ] as const)("%s is refused", async (_, options, errno) => {
    await expect(mount(options)).rejects.toMatchObject({ code: "MOUNT_FAILED", details: { errno } });
    expect(leftovers()).toEqual([]);
  });

  test.each(["file", "loop"] as const)("what is no EROFS image is refused (%s)", async (imageWay) => {
    const image = join(base, "no-image");
    writeFileSync(image, Buffer.alloc(8192, 1));
    const details = { errno: "EINVAL", name: "composefs:test", doing: "mounting the EROFS image" };
    await expect(mount({ image, imageWay })).rejects.toMatchObject({ code: "MOUNT_FAILED", details });
    await expect.poll(leftovers).toEqual([]);
  });

  test("a work directory on another file system is refused", async () => {
    const upperDir = join(base, "lone-upper");
    mkdirSync(upperDir);
    const upper = { upperDir, workDir: "/dev/shm" };
    const details = { errno: "EINVAL", doing: "mounting the overlay" };
    await expect(mount({ upper, readWrite: true })).rejects.toMatchObject({ code: "MOUNT_FAILED", details });
    expect(leftovers()).toEqual([]);
  });

  test("an error carries the kernel's own words where it has any", async () => {
    const fileFd = openSync(join(base, IMAGE), "r");
    try {
      const error = await mount({ objects: [fileFd] }).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: "MOUNT_FAILED", details: { errno: "EINVAL" } });
      expect((error as { details: { messages: string[] } }).details.messages.join()).toMatch(/not a directory/);
    } finally {
      closeSync(fileFd);
    }
  });

  test("a missing mount point is refused and the mount ends", async () => {
    const detached = await mountImage({ image: join(base, IMAGE), objects: [objectsFd], name: "test", verity: false });
    await expect(detached.attach(join(base, "missing"))).rejects.toMatchObject({
      code: "MOUNT_FAILED",
      details: { errno: "ENOENT" },
    });
    await detached.attach(place);
    await detached.close();
    expect(existsSync(join(place, "inline"))).toBe(true);
  });
});
