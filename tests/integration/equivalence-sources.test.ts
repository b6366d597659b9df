import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { initRepository } from "@composefs/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PlainEntry } from "../../packages/composefs/test/support/plain-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctlOk } from "../support/cfsctl.ts";
import { RECIPES } from "../support/equivalent-images.ts";
import { type MadeImage, makeImage, skopeoCopy, TRANSPORTS, type Transport } from "../support/image-carriers.ts";
import { asImageShows, contentSums, withMountPoint } from "../support/image-mount.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import type { PullOutput } from "../support/repo.ts";
import { streamLinks } from "../support/repo-state.ts";
import { run } from "../support/run.ts";
import { type TestStore, testStore } from "../support/store.ts";
import { walkIndependently } from "./scan-lay-out.ts";

/** What an image has become in a repository, wherever it is from. */
interface Ids {
  readonly config_digest: string;
  readonly config_verity: string;
  readonly image: string | null;
  /** Names of the layers' streams with their objects. */
  readonly layers: Readonly<Record<string, string>>;
}

const NEEDED = ["xfs", "overlay", "buildah", "podman", "skopeo", "umoci", "zstd", "docker-registry", "cfsctl"] as const;

describe.skipIf(requires(...NEEDED) !== null)("an image is the same wherever it comes from", () => {
  let fs: LoopFs;
  let store: TestStore;
  let registry: TestRegistry;
  beforeAll(async () => {
    fs = mountLoopFs("xfs", { size: 4 * 2 ** 30 });
    store = testStore(fs.path);
    registry = await startRegistry();
  });
  afterAll(async () => {
    await registry?.stop();
    fs?.dispose();
  });

  async function pulled(repo: string, reference: string, from = registry): Promise<PullOutput & { ids: Ids }> {
    initRepository(repo, { insecure: true });
    const command = ["--repo", repo, "oci", "pull", "--json", reference, "x"];
    const output = JSON.parse((await cfsctlOk(command, { env: from.env() })).stdout) as PullOutput;
    const { config_digest, config_verity, image } = output;
    const layers = Object.entries(streamLinks(repo)).filter(([name]) => name.startsWith("oci-layer-"));
    return { ...output, ids: { config_digest, config_verity, image, layers: Object.fromEntries(layers) } };
  }

  describe.each(RECIPES)("$name", (recipe) => {
    const not: Partial<Record<Transport, string>> = "make" in recipe ? (recipe.not ?? {}) : {};
    const transports = TRANSPORTS.filter((transport) => not[transport] === undefined);
    const converted = "build" in recipe && recipe.format === "docker";
    let dir: string;
    let image: MadeImage;
    let first: Ids;
    /** The repository with the image as it was made. */
    let repo: string;
    beforeAll(async () => {
      dir = join(fs.path, `of-${RECIPES.indexOf(recipe)}`);
      image = makeImage(recipe, dir, store, registry);
      repo = join(dir, "repo");
      first = (await pulled(repo, image.by("build" in recipe ? "containers-storage" : "oci"))).ids;
    });

    test.each(transports)("by %s", async (transport) => {
      const { ids } = await pulled(join(dir, `by-${transport}`), image.by(transport));
      // Into a layout skopeo writes another config.
      if (converted && transport.startsWith("oci")) {
        expect(ids.config_digest).not.toBe(first.config_digest);
        expect({ ...ids, config_digest: null, config_verity: null }).toEqual({ ...first, config_digest: null, config_verity: null });
      } else expect(ids).toEqual(first);
    });

    test("the layers are those of the config", async () => {
      const { stdout } = await cfsctlOk(["--repo", repo, "oci", "inspect", "--config", "x"]);
      const { rootfs } = JSON.parse(stdout) as { rootfs: { diff_ids: string[] } };
      const names = [...new Set(rootfs.diff_ids)].map((id) => `oci-layer-${id}`);
      expect(Object.keys(first.layers).sort()).toEqual(names.sort());
    });

    test("mounted, it shows what umoci unpacks and podman mounts", async () => {
      const [entries, sums] = await withMountPoint(async (point) => {
        await cfsctlOk(["--repo", repo, "oci", "mount", "x", point]);
        return [walkIndependently(point), contentSums(point)];
      });
      const unpacked = join(dir, "unpacked");
      if ("build" in recipe) image.by("oci");
      run("umoci", ["raw", "unpack", "--image", image.readable, unpacked]);
      expect(entries).toEqual(shown(unpacked));
      expect(sums).toEqual(contentSums(unpacked));
      if (not["containers-storage"] !== undefined) return;
      const mounted = store.podman("image", "mount", image.name);
      expect(entries).toEqual(shown(mounted));
      expect(sums).toEqual(contentSums(mounted));
      store.podman("image", "unmount", image.name);
    });

    test("pushed, it is pulled as the same image", async () => {
      const target = `docker://${registry.host}/pushed/${RECIPES.indexOf(recipe)}:v1`;
      const command = ["--repo", repo, "oci", "push", "--quiet", "--json", "x", target];
      const pushed = JSON.parse((await cfsctlOk(command, { env: registry.env() })).stdout) as PullOutput;
      const back = await pulled(join(dir, "pushed"), target);
      expect(back.manifest_digest).toBe(pushed.manifest_digest);
      expect(back.ids).toEqual(first);
    });

    test.each(["oci", "oci-archive"])("exported to %s, it is pulled as the same image", async (transport) => {
      const target = `${transport}:${join(dir, `exported-${transport}`)}:v1`;
      const { stdout } = await cfsctlOk(["--repo", repo, "oci", "export", "--quiet", "--json", "x", target]);
      const back = await pulled(join(dir, `back-${transport}`), target);
      expect(back.manifest_digest).toBe((JSON.parse(stdout) as PullOutput).manifest_digest);
      expect(back.ids).toEqual(first);
    });
  });
});

/** A tree as an image of it shows it. */
function shown(root: string): PlainEntry[] {
  return asImageShows(walkIndependently(root), (name) => name === "security.capability");
}
