import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { ociImage } from "./oci-image.mjs";
import {
  BIG_FILES,
  buildBigImage,
  createUser,
  installCfsctl,
  mountLoopFs,
  run,
  succeeds,
  testStore,
  userStore,
  writeBigLayer,
} from "./test-support.mjs";

/** Files of image, tree and layout, unless a scenario asks for another number: about 400 MB. */
export const FILES = BIG_FILES;

const DISK_BYTES = 32 * 2 ** 30;

/**
 * An XFS with reflinks and what the scenarios work on, each made when it is first asked for: `image(files)` in a
 * containers-storage, a `tree()`, an OCI `layout(content)`, a `sparseTree(bytes)` of one file, and a fresh path for a
 * repository. With `dir` the file system stays there and serves the next run; without, everything is temporary. `home` is
 * a directory outside of that file system, on the machine's own.
 */
export function openWorkspace(dir) {
  const fs = dir === undefined ? mountLoopFs("xfs", { size: DISK_BYTES }) : mountKept(resolve(dir));
  const home = dir === undefined ? mkdtempSync("/var/tmp/composefs-bench-") : resolve(dir);
  const store = testStore(join(fs.path, "store"));
  const kept = (name, make) => {
    const path = join(fs.path, name);
    if (existsSync(path)) return path;
    process.stderr.write(`making ${name}\n`);
    const unfinished = `${path}.unfinished`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished);
    make(unfinished);
    run("mv", [unfinished, path]);
    return path;
  };
  return {
    path: fs.path,
    store,
    image: (files) => bigImage(store, files),
    tree: () => kept("tree", (path) => writeBigLayer(path, 0, FILES)),
    layout: (content, place = fs.path) => ociImage(place, content),
    home,
    sparseTree: (bytes) =>
      kept(`sparse-${bytes}`, (path) => {
        mkdirSync(join(path, "usr"));
        writeFileSync(join(path, "usr", "sparse"), "");
        truncateSync(join(path, "usr", "sparse"), bytes);
      }),
    /** A path where nothing is. */
    fresh(name) {
      const path = join(fs.path, `bench-${name}`);
      rmSync(path, { recursive: true, force: true });
      return path;
    },
    dispose() {
      fs.dispose();
      if (dir === undefined) rmSync(home, { recursive: true });
    },
  };
}

/**
 * The big image in the store of an ordinary user, every hundredth file unreadable: `{ path, user, store, image(),
 * dispose() }`, where `user.cfsctl` is this project where the user reaches it. The user unpacks it itself, so that owners
 * are the user's subordinate ids.
 */
export function openUserWorkspace() {
  const fs = mountLoopFs("xfs", { size: DISK_BYTES });
  const cfsctl = installCfsctl(fs.path);
  const user = createUser(fs.path);
  const store = userStore(user, join(user.home, "storage"));
  return {
    user: { ...user, cfsctl },
    store,
    image: () => {
      const name = "localhost/big:latest";
      const root = testStore(join(fs.path, "store"));
      process.stderr.write(`building ${name}, ${FILES} files\n`);
      buildBigImage(root, name, FILES, { privateEvery: 100 });
      const archive = join(fs.path, "big.tar");
      root.podman("save", "--quiet", "--format", "oci-archive", "--output", archive, name);
      user.own(archive);
      store.podman("load", "--quiet", "--input", archive);
      rmSync(archive);
      return name;
    },
    dispose() {
      user.dispose();
      cfsctl.dispose();
      fs.dispose();
    },
  };
}

function mountKept(dir) {
  const image = join(dir, "bench.xfs");
  const path = join(dir, "mnt");
  mkdirSync(path, { recursive: true });
  if (!existsSync(image)) {
    writeFileSync(image, "");
    truncateSync(image, DISK_BYTES);
    run("mkfs.xfs", ["-q", "-m", "reflink=1", image]);
  }
  // A killed run leaves it mounted.
  if (!succeeds("mountpoint", ["-q", path])) run("mount", ["-o", "loop", image, path]);
  return {
    path,
    dispose() {
      // Programs that use the store leave mounts of their own inside.
      run("umount", ["--recursive", path]);
    },
  };
}

/** The name of an image of three layers and so many files, built if the store has none. */
function bigImage(store, files) {
  const name = `localhost/big:${files}`;
  const names = store.buildah("images", "--noheading", "--format", "{{.Name}}:{{.Tag}}").split("\n");
  if (!names.includes(name)) {
    process.stderr.write(`building ${name}\n`);
    buildBigImage(store, name, files);
  }
  return name;
}
