import { join } from "node:path";
import { buildImage, initRepository, Repository } from "@composefs/core";
import { imageTree, openImage } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PlainEntry } from "../../packages/composefs/test/support/plain-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctlOk } from "../support/cfsctl.ts";
import { type ImageRecipe, RECIPES } from "../support/equivalent-images.ts";
import { type MadeImage, makeImage, originOf, TRANSPORTS, type Transport } from "../support/image-carriers.ts";
import {
  asImageShows,
  contentSums,
  type KeptXattrs,
  withMountedImage,
  withMountPoint,
} from "../support/image-mount.ts";
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
    const output = await jsonOf(["--repo", repo, "oci", "pull", "--json", reference, "x"], from);
    const { config_digest, config_verity, image } = output;
    const layers = Object.entries(streamLinks(repo)).filter(([name]) => name.startsWith("oci-layer-"));
    return { ...output, ids: { config_digest, config_verity, image, layers: Object.fromEntries(layers) } };
  }

  describe.each(RECIPES)("$name", (recipe) => {
    const { origin, others } = waysOf(recipe);
    let dir: string;
    let image: MadeImage;
    /** The repository with the image as it was made, and what it is there. */
    let repo: string;
    let first: Ids;
    let rewritten: Ids | null = null;
    beforeAll(async () => {
      dir = join(fs.path, `of-${RECIPES.indexOf(recipe)}`);
      image = makeImage(recipe, dir, store, registry);
      repo = join(dir, "repo");
      first = (await pulled(repo, image.by(origin))).ids;
    });

    test(`by ${origin} it has the layers of its config`, async () => {
      const { stdout } = await cfsctlOk(["--repo", repo, "oci", "inspect", "--config", "x"]);
      const { rootfs } = JSON.parse(stdout) as { rootfs: { diff_ids: string[] } };
      expect(Object.keys(first.layers).sort()).toEqual(rootfs.diff_ids.map((id) => `oci-layer-${id}`).sort());
    });

    test.concurrent.each(others)("by %s it is the same", async (transport) => {
      const { ids } = await pulled(join(dir, `by-${transport}`), image.by(transport));
      if (!isRewritten(recipe, transport)) expect(ids).toEqual(first);
      else {
        rewritten ??= ids;
        expect(ids).toEqual(rewritten);
        expect(ids).toMatchObject({ layers: first.layers, image: first.image });
      }
    });

    test("mounted, it shows what umoci unpacks and podman mounts", async () => {
      const [entries, sums] = await withMountPoint(async (point) => {
        await cfsctlOk(["--repo", repo, "oci", "mount", "x", point]);
        return [walkIndependently(point), contentSums(point)];
      });
      const unpacked = join(dir, "unpacked");
      run("umoci", ["raw", "unpack", "--image", image.readable(), unpacked]);
      expect(entries).toEqual(shown(unpacked));
      expect(sums).toEqual(contentSums(unpacked));
      if (!others.includes("containers-storage") && origin !== "containers-storage") return;
      const mounted = store.podman("image", "mount", image.name);
      expect(entries).toEqual(shown(mounted));
      expect(sums).toEqual(contentSums(mounted));
      store.podman("image", "unmount", image.name);
    });

    if (recipe.name === "attributes") {
      test("with --xattrs keep-user-xattrs it has those that umoci unpacks", async () => {
        await using repository = await Repository.open(repo);
        const tree = await imageTree(repository, await openImage(repository, "x"), { xattrs: "keep-user-xattrs" });
        const id = await repository.storeImage(buildImage(tree, { version: 1, hash: repository.hash }));
        const unpacked = join(dir, "unpacked-with-attributes");
        run("umoci", ["raw", "unpack", "--image", image.readable(), unpacked]);
        const entries = await withMountedImage(repository, id, walkIndependently);
        expect(entries).toEqual(shown(unpacked, (name) => /^(user\.|security\.capability$)/.test(name)));
        expect(new Set(entries.flatMap(({ stat }) => Object.keys(stat.xattrs as object))).size).toBe(6);
      });
    }

    test.concurrent("pushed to a registry, it is pulled as the same image", async () => {
      const target = `docker://${registry.host}/pushed/${RECIPES.indexOf(recipe)}:v1`;
      const sent = await jsonOf(["--repo", repo, "oci", "push", "--json", "x", target], registry);
      const back = await pulled(join(dir, "pushed"), target);
      expect(back).toMatchObject({ manifest_digest: sent.manifest_digest, ids: first });
    });

    test.concurrent("exported, it is pulled as the same image", async () => {
      const transport = RECIPES.indexOf(recipe) % 2 === 0 ? "oci" : "oci-archive";
      const target = `${transport}:${dir}/exported:v1`;
      const sent = await jsonOf(["--repo", repo, "oci", "export", "--json", "x", target], registry);
      const back = await pulled(join(dir, "back"), target);
      expect(back).toMatchObject({ manifest_digest: sent.manifest_digest, ids: first });
    });
  });

  test("by HTTPS and with a password it is the same", async () => {
    const secured = await startRegistry({ tls: true, auth: true });
    try {
      const recipe = RECIPES.find(({ name }) => name === "whiteouts by hand") as ImageRecipe;
      const dir = join(fs.path, "secured");
      const image = makeImage(recipe, dir, store, secured);
      const { ids } = await pulled(join(dir, "made"), image.by("oci"), secured);
      expect((await pulled(join(dir, "by-docker"), image.by("docker"), secured)).ids).toEqual(ids);
      const target = `docker://${secured.host}/pushed:v1`;
      const sent = await jsonOf(["--repo", join(dir, "made"), "oci", "push", "--json", "x", target], secured);
      const back = await pulled(join(dir, "back"), target, secured);
      expect(back).toMatchObject({ manifest_digest: sent.manifest_digest, ids });
    } finally {
      await secured.stop();
    }
  });
});

/** Where an image is made, and the transports that it can be brought to. */
function waysOf(recipe: ImageRecipe): { readonly origin: Transport; readonly others: readonly Transport[] } {
  const origin = originOf(recipe);
  const not: Readonly<Record<string, string>> = ("make" in recipe && recipe.not) || {};
  return { origin, others: TRANSPORTS.filter((transport) => transport !== origin && not[transport] === undefined) };
}

/** In OCI's form skopeo writes a config of its own. */
function isRewritten(recipe: ImageRecipe, transport: Transport): boolean {
  return "build" in recipe && recipe.format === "docker" && (transport === "oci" || transport === "oci-archive");
}

/** A tree as an image of it shows it. */
function shown(root: string, keeps: KeptXattrs = (name) => name === "security.capability"): PlainEntry[] {
  return asImageShows(walkIndependently(root), keeps);
}

async function jsonOf(command: readonly string[], registry: TestRegistry): Promise<PullOutput> {
  return JSON.parse((await cfsctlOk(command, { env: registry.env() })).stdout) as PullOutput;
}
