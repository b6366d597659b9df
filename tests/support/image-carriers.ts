import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { ImageRecipe } from "./equivalent-images.ts";
import { writeLayout } from "./layout-builder.ts";
import type { TestRegistry } from "./registry.ts";
import { run } from "./run.ts";
import type { TestStore } from "./store.ts";
import { buildImage } from "./store-builder.ts";

/** How images come to us. */
export const TRANSPORTS = ["containers-storage", "oci", "oci-archive", "docker-archive", "dir", "docker"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** An image that was made, to be had by several transports. */
export interface MadeImage {
  /** Its name in the store. */
  readonly name: string;
  /** `DIR:TAG` of an OCI layout that umoci can read. */
  readable(): string;
  /** Brings the image to the transport, with skopeo unless it is there; returns the reference. */
  by(transport: Transport): string;
}

/** Makes an image whose copies go into the directory `dir`, the store and the registry. */
export function makeImage(recipe: ImageRecipe, dir: string, store: TestStore, registry: TestRegistry): MadeImage {
  mkdirSync(dir);
  const slug = recipe.name.replaceAll(/[^a-z0-9]+/g, "-");
  const name = `localhost/${slug}:1`;
  const references: Record<Transport, string> = {
    "containers-storage": `containers-storage:${store.reference(name)}`,
    oci: `oci:${dir}/oci:latest`,
    "oci-archive": `oci-archive:${dir}/oci.tar:latest`,
    "docker-archive": `docker-archive:${dir}/docker.tar:${name}`,
    dir: `dir:${dir}/dir`,
    docker: `docker://${registry.host}/${slug}:latest`,
  };
  const origin = originOf(recipe);
  if ("build" in recipe) {
    buildImage(store, name, recipe.build, { ownTimes: true, format: recipe.format ?? "oci" });
  } else {
    const layers = recipe.make();
    writeLayout(join(dir, "oci"), layers);
    // umoci knows neither zstd nor every way to compress by gzip.
    const plain = layers.map(({ tar, mediaType }) => ({ tar, blob: tar, mediaType: mediaType.replace(/\+.*/, "") }));
    writeLayout(join(dir, "uncompressed"), plain);
  }
  const by = (transport: Transport): string => {
    if (transport !== origin) skopeoCopy(registry, references[origin], references[transport]);
    return references[transport];
  };
  return {
    name,
    readable: () => (origin === "oci" ? join(dir, "uncompressed:latest") : by("oci").slice("oci:".length)),
    by,
  };
}

/** Where an image is when it is made. */
export function originOf(recipe: ImageRecipe): Transport {
  return "build" in recipe ? "containers-storage" : "oci";
}

/** Copies an image into a layout, an archive, a store, or the registry. */
function skopeoCopy(registry: TestRegistry, from: string, to: string): void {
  const trust = registry.caFile === null ? ["--dest-tls-verify=false"] : [];
  const env = { ...process.env, ...registry.env() };
  run("skopeo", ["--insecure-policy", "copy", "--quiet", ...trust, from, to], { env });
}
