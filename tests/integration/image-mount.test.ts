import { chmodSync, chownSync, linkSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildImage, initRepository, Repository } from "@composefs/core";
import { imageTree, openImage } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PlainEntry } from "../../packages/composefs/test/support/plain-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctlOk } from "../support/cfsctl.ts";
import {
  asImageShows,
  contentSums,
  type KeptXattrs,
  withMountedImage,
  withMountPoint,
} from "../support/image-mount.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { run } from "../support/run.ts";
import { writeSmallLayer } from "../support/small-tree.ts";
import { type TestStore, testStore } from "../support/store.ts";
import * as builder from "../support/store-builder.ts";
import { walkIndependently } from "./scan-lay-out.ts";

const NAME = "localhost/every-kind:latest";
const ALLOWED: KeptXattrs = (name) => name === "security.capability";
const ALLOWED_AND_USER: KeptXattrs = (name) => ALLOWED(name) || name.startsWith("user.");

/** Modes, owners, times, attributes, devices and links beneath /usr, and a /run that no image keeps. */
function writeKinds(root: string): void {
  const dir = join(root, "usr/kinds");
  mkdirSync(dir);
  mkdirSync(join(root, "run/lock"), { recursive: true });
  writeFileSync(join(root, "run/lock/held"), "by the build");
  for (const mode of [0o000, 0o444, 0o640, 0o1644, 0o2755, 0o4711, 0o7777]) {
    const path = join(dir, `mode-${mode.toString(8)}`);
    writeFileSync(path, "m".repeat(mode));
    chownSync(path, mode, 4_000_000 + mode);
    chmodSync(path, mode);
  }
  for (const size of [0, 1, 64, 65, 4096, 4097, 200_000])
    writeFileSync(join(dir, `size-${size}`), Buffer.alloc(size, 7));
  linkSync(join(dir, "size-200000"), join(root, "usr/bin/again"));
  linkSync(join(dir, "size-1"), join(dir, "linked"));
  symlinkSync("../nowhere", join(dir, "dangling"));
  symlinkSync(Buffer.from("fffe2f80", "hex"), join(dir, "no-utf8"));
  symlinkSync("t".repeat(1_000), join(dir, "long-target"));
  linkSync(join(dir, "dangling"), join(dir, "dangling-again"));
  const device = (name: string, ...rest: string[]) => run("mknod", [join(dir, name), ...rest]);
  device("console", "c", "5", "1");
  device("wide-minor", "c", "10", "70000");
  device("block", "b", "259", "200000");
  device("fifo", "p");
  linkSync(join(dir, "console"), join(dir, "console-again"));
  mkdirSync(join(dir, "empty"), { mode: 0o700 });
  run("python3", ["-c", ATTRIBUTES, dir]);
  chmodSync(join(root, "usr"), 0o711);
  chownSync(join(root, "usr"), 12, 34);
}

/** None is empty: podman reads an empty PAX record as no record, and its store has no such attribute. */
const ATTRIBUTES = `
import os, sys
place = lambda name: os.path.join(sys.argv[1], name)
capability = bytes.fromhex("0100000200200000000000000000000000000000")
os.setxattr(place("size-4096"), "security.capability", capability)
os.setxattr(place("size-65"), "user.bytes", bytes(range(256)))
os.setxattr(place("empty"), "user.on-directory", b"d")
os.setxattr(os.path.dirname(sys.argv[1]), "user.on-usr", b"u")
for index, name in enumerate(sorted(os.listdir(sys.argv[1]))):
    os.utime(place(name), (0, index * 86_400 * 365 + index), follow_symlinks=False)
`;

/** Whiteouts, a replaced kind, and a second name for a file of a layer beneath. */
function writeChanges(root: string): void {
  const dir = join(root, "usr/kinds");
  run("rm", ["-r", join(dir, "size-4097"), join(dir, "empty"), join(dir, "block")]);
  writeFileSync(join(dir, "empty"), "a file now");
  mkdirSync(join(dir, "block"));
  linkSync(join(dir, "mode-4711"), join(root, "usr/bin/from-beneath"));
  renameSync(join(dir, "fifo"), join(root, "usr/bin/fifo"));
}

describe.skipIf(requires("xfs", "buildah", "podman", "overlay", "cfsctl") !== null)("a pulled image, mounted", () => {
  let fs: LoopFs;
  let store: TestStore;
  let reference: string;
  let shown: PlainEntry[];
  let sums: Record<string, string>;

  beforeAll(async () => {
    fs = mountLoopFs("xfs", { size: 2 * 2 ** 30 });
    store = testStore(fs.path);
    const layers = [
      ...[0, 1, 2].map((layer) => (dir: string) => writeSmallLayer(dir, layer)),
      writeKinds,
      writeChanges,
    ];
    reference = builder.buildImage(store, NAME, layers, { ownTimes: true });
    const root = store.podman("image", "mount", NAME);
    shown = walkIndependently(root);
    sums = contentSums(root);
    store.podman("image", "unmount", NAME);
  });
  afterAll(() => fs?.dispose());

  test("podman shows every kind of node", () => {
    const kinds = new Set(shown.map(({ content }) => content.kind));
    expect([...kinds].sort()).toEqual(["block", "char", "directory", "external", "fifo", "inline", "symlink"]);
    const linked = shown.filter(({ linkTo }) => linkTo !== undefined).map(({ path }) => path);
    expect(linked).toEqual(expect.arrayContaining(["/usr/kinds/size-200000", "/usr/kinds/mode-4711", "/srv/linked"]));
    expect(shown.map(({ path }) => path)).toContain("/run/lock/held");
    const names = new Set(shown.flatMap(({ stat }) => Object.keys(stat.xattrs as object)));
    expect([...names]).toEqual(expect.arrayContaining(["security.capability", "user.bytes", "user.on-usr"]));
    const find = (path: string) => shown.find((entry) => entry.path === path)?.stat;
    expect(find("/usr")).toMatchObject({ mode: "711", uid: 12, gid: 34 });
    expect(find("/")).not.toEqual(find("/usr"));
    expect(new Set(shown.map(({ stat }) => stat.mtime)).size).toBeGreaterThan(20);
  });

  test.each([0, 1, 2] as const)("in format V%i it shows what podman shows", async (version) => {
    const repo = await pulled(version);
    const [entries, contents] = await withMountPoint(async (point) => {
      await cfsctlOk(["--repo", repo, "oci", "mount", "kinds", point]);
      return [walkIndependently(point), contentSums(point)];
    });
    expect(entries).toEqual(inFormat(version, asImageShows(shown, ALLOWED)));
    expect(contents).toEqual(withoutRun(sums));
  });

  test("with --xattrs keep-user-xattrs it has the user's attributes, too", async () => {
    await using repository = await Repository.open(await pulled(1, "user-xattrs"));
    const image = await openImage(repository, "kinds");
    const tree = await imageTree(repository, image, { xattrs: "keep-user-xattrs" });
    const bytes = buildImage(tree, { version: 1, hash: repository.hash });
    const id = await repository.storeImage(bytes, { name: "with-user-xattrs" });
    const entries = await withMountedImage(repository, id, walkIndependently);
    expect(entries).toEqual(asImageShows(shown, ALLOWED_AND_USER));
    expect(entries[0]?.stat.xattrs).toEqual({ "user.on-usr": "u" });
  });

  /** A repository of a format, and in it the image. */
  async function pulled(version: 0 | 1 | 2, name = `v${version}`): Promise<string> {
    const repo = join(fs.path, name);
    initRepository(repo, { insecure: true, erofs: { default: version, extra: [] } });
    await cfsctlOk(["--repo", repo, "oci", "pull", "--quiet", `containers-storage:${reference}`, "kinds"]);
    return repo;
  }
});

/** V2 keeps whole seconds only. */
function inFormat(version: 0 | 1 | 2, entries: PlainEntry[]): PlainEntry[] {
  if (version !== 2) return entries;
  return entries.map((entry) => ({
    ...entry,
    stat: { ...entry.stat, mtime: String(entry.stat.mtime).replace(/ \d+ns/, " 0ns") },
  }));
}

function withoutRun(sums: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(sums).filter(([path]) => !path.startsWith("./run/")));
}
