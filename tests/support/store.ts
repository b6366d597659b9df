import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RootlessUser } from "./rootless-user.ts";
import { run } from "./run.ts";

/** A containers-storage of its own, filled by buildah, podman or skopeo. */
export interface TestStore {
  /** The graph root. */
  readonly root: string;
  readonly runRoot: string;
  /** `[overlay@ROOT+RUNROOT]IMAGE`, to stand after `containers-storage:`. */
  reference(image: string): string;
  /** Runs buildah on this store. */
  buildah(...args: readonly string[]): string;
  /** Runs podman on this store. */
  podman(...args: readonly string[]): string;
}

/** One layer of the store, as its index and directories have it. */
export interface StoredLayer {
  readonly id: string;
  /** `sha256:…` of the uncompressed tar. */
  readonly diffId: string;
  /** Directory with the layer's files. */
  readonly diff: string;
  /** Its gzipped tar-split. */
  readonly tarSplit: string;
}

/** A store in the directory `base`, which need not exist. Nothing is written before the first command. */
export function testStore(base: string): TestStore {
  const root = join(base, "storage");
  const runRoot = join(base, "run");
  const place = ["--root", root, "--runroot", runRoot, "--storage-driver", "overlay"];
  const command = (name: string, args: readonly string[]) => {
    mkdirSync(base, { recursive: true });
    return run(name, [...place, ...args], { env: storeEnvironment(base) });
  };
  return {
    root,
    runRoot,
    reference: (image) => `[overlay@${root}+${runRoot}]${image}`,
    buildah: (...args) => command("buildah", args),
    podman: (...args) => command("podman", args),
  };
}

/** A store of an ordinary user, worked on by the user. `options` go to podman and buildah before the command. */
export function userStore(user: RootlessUser, root: string, options: readonly string[] = []): TestStore {
  const runRoot = join(user.runtime, "storage");
  const place = ["--root", root, "--runroot", runRoot, "--storage-driver", "overlay", ...options];
  return {
    root,
    runRoot,
    reference: (image) => `[overlay@${root}+${runRoot}]${image}`,
    buildah: (...args) => user.run("buildah", [...place, ...args]),
    podman: (...args) => user.run("podman", ["--events-backend", "file", ...place, ...args]),
  };
}

/** The layers of a store, in the order of layers.json. */
export function storedLayers(store: Pick<TestStore, "root">): StoredLayer[] {
  const index = join(store.root, "overlay-layers", "layers.json");
  const list = JSON.parse(readFileSync(index, "utf8")) as { id: string; "diff-digest": string }[];
  return list.map((layer) => ({
    id: layer.id,
    diffId: layer["diff-digest"],
    diff: join(store.root, "overlay", layer.id, "diff"),
    tarSplit: join(store.root, "overlay-layers", `${layer.id}.tar-split.gz`),
  }));
}

/** The layer that holds a file, found by its path inside the image. */
export function layerWith(store: Pick<TestStore, "root">, path: string): StoredLayer {
  const layer = storedLayers(store).find(({ diff }) => existsSync(join(diff, path)));
  if (layer === undefined) throw new Error(`no layer of ${store.root} has ${path}`);
  return layer;
}

/** The machine's storage.conf may carry mount options and additional stores; tests want neither. */
function storeEnvironment(base: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: base };
  for (const name of Object.keys(env)) if (/^(CONTAINERS_STORAGE|STORAGE_)/.test(name)) delete env[name];
  return env;
}
