import { existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { register } from "node:module";
import { join, resolve } from "node:path";

// The test support is TypeScript, which Node before 22.18 does not run by itself.
register("./typescript-hook.mjs", import.meta.url);
const { mountLoopFs } = await import("../tests/support/loop-fs.ts");
const { run, succeeds } = await import("../tests/support/run.ts");
const { createUser } = await import("../tests/support/rootless-user.ts");
const { testStore, userStore } = await import("../tests/support/store.ts");
const { BIG_FILES, buildBigImage } = await import("../tests/support/store-builder.ts");
const { installCfsctl } = await import("../tests/support/user-cfsctl.ts");

const DISK_BYTES = 16 * 2 ** 30;

/**
 * The big image of the integration tests in a store on an XFS with reflinks: `{ path, store, image(times), dispose() }`.
 * With `dir` that file system stays there and serves the next run; without, everything is temporary.
 */
export function openBigStore(dir) {
  const fs = dir === undefined ? mountLoopFs("xfs", { size: DISK_BYTES }) : mountKept(resolve(dir));
  const store = testStore(join(fs.path, "store"));
  return { path: fs.path, store, image: (times) => bigImage(store, times), dispose: () => fs.dispose() };
}

/**
 * The big image in the store of an ordinary user, every hundredth file unreadable: `{ path, user, store, image(),
 * dispose() }`, where `user.cfsctl` is this project where the user reaches it. The user unpacks it itself, so that owners
 * are the user's subordinate ids.
 */
export function openUserStore() {
  const fs = mountLoopFs("xfs", { size: DISK_BYTES });
  const cfsctl = installCfsctl(fs.path);
  const user = createUser(fs.path);
  const store = userStore(user, join(user.home, "storage"));
  return {
    path: fs.path,
    user: { ...user, cfsctl },
    store,
    image: () => {
      const name = "localhost/big:latest";
      const root = testStore(join(fs.path, "store"));
      process.stderr.write(`building ${name}, ${BIG_FILES} files\n`);
      buildBigImage(root, name, BIG_FILES, { privateEvery: 100 });
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
  const image = join(dir, "big-store.xfs");
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

/** The name of the image whose layers have `times` the files of the tests' one, built if the store has none. */
function bigImage(store, times) {
  const name = `localhost/big:${times === 1 ? "latest" : `times-${times}`}`;
  const names = store.buildah("images", "--noheading", "--format", "{{.Name}}:{{.Tag}}").split("\n");
  if (!names.includes(name)) {
    process.stderr.write(`building ${name}, ${BIG_FILES * times} files\n`);
    buildBigImage(store, name, BIG_FILES * times);
  }
  return name;
}
