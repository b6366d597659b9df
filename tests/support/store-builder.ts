import { type BigLayerOptions, writeBigLayer } from "./big-tree.ts";
import { writeSmallLayer } from "./small-tree.ts";
import type { TestStore } from "./store.ts";

/** Files of the big image; its layers hold 60, 30 and 10 per cent of them. */
export const BIG_FILES = 20_000;

const TIMESTAMP = "1700000000";

/**
 * Builds the image for faults and formats: three layers, some 60 files from 0 bytes to 5 MB, sizes around 64 bytes, hard
 * links, symbolic links, whiteouts, devices, attributes, odd modes and odd names. Returns its reference.
 */
export function buildSmallImage(store: TestStore, name = "localhost/small:latest"): string {
  return buildImage(
    store,
    name,
    [0, 1, 2].map((layer) => (dir: string) => writeSmallLayer(dir, layer)),
  );
}

/**
 * Builds the image for the main job: three layers, `files` files (20,000), about 400 MB, the same content on every run.
 * Returns its reference.
 */
export function buildBigImage(
  store: TestStore,
  name = "localhost/big:latest",
  files = BIG_FILES,
  options: BigLayerOptions = {},
): string {
  const parts = [0.6, 0.3, 0.1].map((share) => Math.round(files * share));
  return buildImage(
    store,
    name,
    parts.map((count, layer) => (dir: string) => writeBigLayer(dir, layer, count, options)),
  );
}

/** Settings of {@link buildImage}. */
export interface BuildImageOptions {
  /** Keep the times of the files, as buildah does by itself; default false. */
  readonly ownTimes?: boolean;
  /** Form of manifest and config; default OCI's. */
  readonly format?: "oci" | "docker";
}

/** Builds an image whose layers are what the writers leave in the mounted root directory, one commit each. */
export function buildImage(
  store: TestStore,
  name: string,
  layers: readonly ((dir: string) => void)[],
  options: BuildImageOptions = {},
): string {
  // Fixed times make equal trees equal images.
  const times = options.ownTimes ? [] : ["--timestamp", TIMESTAMP];
  const format = ["--format", options.format ?? "oci"];
  let base = "scratch";
  layers.forEach((write, index) => {
    const container = store.buildah("from", base);
    write(store.buildah("mount", container));
    store.buildah("umount", container);
    const target = index === layers.length - 1 ? [name] : [];
    base = store.buildah("commit", "--quiet", ...format, ...times, "--rm", container, ...target);
  });
  return store.reference(name);
}
