import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeBigLayer } from "../support/big-tree.ts";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk, ended, startCfsctl } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, pullJson } from "../support/repo.ts";
import { run } from "../support/run.ts";
import { type TestStore, testStore } from "../support/store.ts";
import { buildImage, buildSmallImage } from "../support/store-builder.ts";

const MIB = 2 ** 20;
const KILLS = 6;

interface Exported {
  readonly manifest_digest: string;
  readonly stored_manifest_digest: string;
  readonly original: boolean;
}

async function exportJson(repo: string, image: string, destination: string): Promise<Exported> {
  const command = ["--repo", repo, "oci", "export", "--quiet", "--json", image, destination];
  return JSON.parse((await cfsctlOk(command)).stdout) as Exported;
}

/** Names of blobs whose content has another digest. */
function wrongBlobs(layout: string): string[] {
  const blobs = join(layout, "blobs/sha256");
  const names = existsSync(blobs) ? readdirSync(blobs) : [];
  const digest = (name: string): string =>
    createHash("sha256")
      .update(readFileSync(join(blobs, name)))
      .digest("hex");
  return names.filter((name) => digest(name) !== name);
}

describe.skipIf(requires("xfs", "buildah", "skopeo", "cfsctl") !== null)("exported images, to skopeo and back", () => {
  let fs: LoopFs;
  let store: TestStore;
  let repo: string;
  let image: string | null;
  beforeAll(async () => {
    fs = mountLoopFs("xfs", { size: 3 * 2 ** 30 });
    store = testStore(fs.path);
    repo = await initRepo(join(fs.path, "repo"));
    ({ image } = await pullJson(repo, buildSmallImage(store)));
  });
  afterAll(() => fs?.dispose());

  test.each(["oci", "oci-archive"])(
    "%s: skopeo takes the image, whose tree is the same afterwards",
    async (transport) => {
      const name = `${transport}:${join(fs.path, `${transport}.out`)}:v1`;
      // buildah stores layers as they are.
      const exported = await exportJson(repo, "test", name);
      expect(exported).toMatchObject({ original: true });
      const inspected = JSON.parse(run("skopeo", ["inspect", name])) as { Digest: string; Layers: string[] };
      expect(inspected.Digest).toBe(exported.manifest_digest);
      expect(inspected.Layers).toHaveLength(3);
      const copy = join(fs.path, `${transport}.dir`);
      run("skopeo", ["--insecure-policy", "copy", "--quiet", name, `dir:${copy}`]);
      const manifest = readFileSync(join(copy, "manifest.json"));
      expect(`sha256:${createHash("sha256").update(manifest).digest("hex")}`).toBe(exported.manifest_digest);

      // Into another storage of podman, and from there into another repository.
      const [driver, root, runRoot] = [
        "overlay",
        join(fs.path, `${transport}.root`),
        join(fs.path, `${transport}.run`),
      ];
      const stored = `containers-storage:[${driver}@${root}+${runRoot}]localhost/back:1`;
      run("skopeo", ["--insecure-policy", "copy", "--quiet", name, stored]);
      const other = await initRepo(join(fs.path, `${transport}.repo`));
      const back = await pullJson(other, `[${driver}@${root}+${runRoot}]localhost/back:1`);
      expect(back.image).toBe(image);
    },
  );

  test("an image with layers compressed anew is one that skopeo takes, too", async () => {
    const [layout, gzipped] = [join(fs.path, "plain"), join(fs.path, "gzipped")];
    await exportJson(repo, "test", `oci:${layout}:v1`);
    run("skopeo", ["--insecure-policy", "copy", "--quiet", "--dest-compress", `oci:${layout}:v1`, `dir:${gzipped}`]);
    const stored = `[overlay@${join(fs.path, "gz.root")}+${join(fs.path, "gz.run")}]localhost/gz:1`;
    run("skopeo", ["--insecure-policy", "copy", "--quiet", `dir:${gzipped}`, `containers-storage:${stored}`]);
    const pulled = await pullJson(repo, stored);
    expect(pulled.image).toBe(image);
    const name = `oci:${join(fs.path, "anew")}:v1`;
    const exported = await exportJson(repo, `@${pulled.manifest_digest}`, name);
    run("skopeo", ["inspect", name]);
    const back = `[overlay@${join(fs.path, "an.root")}+${join(fs.path, "an.run")}]localhost/an:1`;
    run("skopeo", ["--insecure-policy", "copy", "--quiet", name, `containers-storage:${back}`]);
    const again = await pullJson(repo, back);
    expect(again).toMatchObject({ image, config_digest: pulled.config_digest });
    if (!exported.original) expect(again.manifest_digest).toBe(exported.manifest_digest);
  });
});

describe.skipIf(requires("xfs", "ext4", "buildah", "cfsctl") !== null)(
  "an export that does not come to its end",
  () => {
    let fs: LoopFs;
    let repo: string;
    beforeAll(async () => {
      fs = mountLoopFs("xfs", { size: 2 * 2 ** 30 });
      repo = await initRepo(join(fs.path, "repo"));
      const layers = [0, 1].map((layer) => (dir: string) => writeBigLayer(dir, layer, 1500));
      await pullJson(repo, buildImage(testStore(fs.path), "localhost/big:latest", layers));
    });
    afterAll(() => fs?.dispose());

    test.each(["oci", "oci-archive"])(
      `kill -9, ${KILLS} times: %s has whole files under their names`,
      async (transport) => {
        const place = join(fs.path, `killed-${transport}`);
        const path = join(place, "out");
        const destination = `${transport}:${path}:v1`;
        run("mkdir", [place]);
        const start = performance.now();
        await exportJson(repo, "test", destination);
        const usualMs = performance.now() - start;
        for (let round = 0; round < KILLS; round += 1) {
          run("rm", ["-rf", path]);
          const ms = (0.3 + 0.75 * Math.random()) * usualMs;
          const child = startCfsctl(["--repo", repo, "oci", "export", "-q", "test", destination]);
          const end = ended(child);
          await delay(ms);
          child.kill("SIGKILL");
          await end;
          const label = `killed after ${ms.toFixed(0)} of ${usualMs.toFixed(0)} ms`;
          if (transport === "oci") expect(wrongBlobs(path), label).toEqual([]);
          const named = transport === "oci" ? join(path, "index.json") : path;
          if (existsSync(named)) expectWhole(transport, path);
        }
        await exportJson(repo, "test", destination);
        expectWhole(transport, path);
      },
    );

    test.each(["oci", "oci-archive"])("ENOSPC: %s has no image afterwards", async (transport) => {
      const full = mountLoopFs("ext4", { size: 24 * MIB });
      try {
        const path = join(full.path, "out");
        const command = ["--repo", repo, "oci", "export", "-q", "test", `${transport}:${path}:v1`];
        const { exitCode, stderr } = await cfsctl(command);
        expect(exitCode).toBe(1);
        expect(stderr).toContain("ENOSPC");
        const left = readdirSync(full.path).filter((name) => name !== "lost+found");
        if (transport === "oci-archive") expect(left).toEqual([]);
        expect(existsSync(join(path, "index.json"))).toBe(false);
        expect(wrongBlobs(path)).toEqual([]);
      } finally {
        full.dispose();
      }
    });

    function expectWhole(transport: string, path: string): void {
      const layout = transport === "oci" ? path : join(fs.path, "unpacked");
      if (transport !== "oci") {
        run("rm", ["-rf", layout]);
        run("mkdir", [layout]);
        run("tar", ["-xf", path, "-C", layout]);
      }
      const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
        manifests: { digest: string }[];
      };
      expect(manifests).toHaveLength(1);
      expect(wrongBlobs(layout)).toEqual([]);
      expect(readdirSync(join(layout, "blobs/sha256")).length).toBeGreaterThanOrEqual(4);
    }
  },
);
