import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctl } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, pullJson } from "../support/repo.ts";
import { type TestStore, testStore } from "../support/store.ts";
import { buildImage } from "../support/store-builder.ts";

interface ImageRecord {
  id: string;
  digest: string;
  names?: string[];
}

describe.skipIf(requires("ext4", "buildah", "cfsctl") !== null)("finding an image", () => {
  let fs: LoopFs;
  let repo: string;
  let store: TestStore;
  let other: TestStore;
  let app: ImageRecord;
  let extra: ImageRecord;

  beforeAll(async () => {
    fs = mountLoopFs("ext4");
    repo = await initRepo(join(fs.path, "repo"));
    store = testStore(join(fs.path, "first"));
    other = testStore(join(fs.path, "second"));
    buildImage(store, "localhost/team/app:v1", [writer("app")]);
    store.buildah("tag", "localhost/team/app:v1", "localhost/team/app:latest");
    buildImage(store, "localhost/north/twin:1", [writer("north")]);
    buildImage(store, "localhost/south/twin:1", [writer("south")]);
    buildImage(other, "localhost/team/extra:v1", [writer("extra")]);
    app = record(store, "localhost/team/app:v1");
    extra = record(other, "localhost/team/extra:v1");
  });
  afterAll(() => fs?.dispose());

  test.each<[string, (image: ImageRecord) => string]>([
    ["full name", () => "localhost/team/app:v1"],
    ["full name without tag", () => "localhost/team/app"],
    ["short name", () => "app:v1"],
    ["short name without tag", () => "app"],
    ["repository and tag", () => "team/app:v1"],
    ["name and digest", ({ digest }) => `localhost/team/app@${digest}`],
    ["name and id", ({ id }) => `localhost/team/app@${id.slice(0, 12)}`],
    ["id", ({ id }) => id],
    ["@id", ({ id }) => `@${id}`],
    ["sha256:id", ({ id }) => `sha256:${id}`],
    ["id prefix", ({ id }) => id.slice(0, 12)],
    ["shortest id prefix", ({ id }) => id.slice(0, 3)],
    ["manifest digest", ({ digest }) => digest],
  ])("by %s", async (_, query) => {
    const { config_digest } = await pullJson(repo, store.reference(query(app)));
    expect(config_digest).toBe(`sha256:${app.id}`);
  });

  test.each<[string, () => string]>([
    ["[root]", () => `[${store.root}]app:v1`],
    ["[driver@root]", () => `[overlay@${store.root}]app:v1`],
    ["[driver@root+runroot]", () => `[overlay@${store.root}+${store.runRoot}]app:v1`],
    ["[root+runroot]", () => `[${store.root}+${store.runRoot}]app:v1`],
  ])("in the store of a prefix %s", async (_, reference) => {
    expect((await pullJson(repo, reference())).config_digest).toBe(`sha256:${app.id}`);
  });

  test("in the root of storage.conf", async () => {
    const env = { CONTAINERS_STORAGE_CONF: conf(fs, "root.conf", store) };
    expect((await pullJson(repo, "app:v1", [], env)).config_digest).toBe(`sha256:${app.id}`);
  });

  test("in an additional store of storage.conf", async () => {
    const more = `[storage.options]\nadditionalimagestores = [${JSON.stringify(other.root)}]\n`;
    const env = { CONTAINERS_STORAGE_CONF: conf(fs, "additional.conf", store, more) };
    expect((await pullJson(repo, "extra:v1", [], env)).config_digest).toBe(`sha256:${extra.id}`);
  });

  test.each(["additionalimagestore", "overlay.imagestore"])(
    "in an additional store of STORAGE_OPTS %s",
    async (key) => {
      const env = { CONTAINERS_STORAGE_CONF: conf(fs, "opts.conf", store), STORAGE_OPTS: `${key}=${other.root}` };
      expect((await pullJson(repo, "extra:v1", [], env)).config_digest).toBe(`sha256:${extra.id}`);
    },
  );

  test("in the root named by CONTAINERS_STORAGE_ROOT", async () => {
    const env = { CONTAINERS_STORAGE_ROOT: store.root };
    expect((await pullJson(repo, "app:v1", [], env)).config_digest).toBe(`sha256:${app.id}`);
  });

  test("an unknown name suggests a known one", async () => {
    const { exitCode, stderr } = await pull("localhost/team/apq:v1");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("[STORE_IMAGE_NOT_FOUND]");
    expect(stderr).toMatch(/^Hint: .*localhost\/team\/app:v1/m);
  });

  test("an ambiguous name lists the candidates", async () => {
    const { exitCode, stderr } = await pull("twin:1");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("[REF_AMBIGUOUS]");
    for (const name of ["localhost/north/twin:1", "localhost/south/twin:1"]) expect(stderr).toContain(name);
  });

  test("an ambiguous id prefix lists the candidates", async () => {
    // Ids are digests, so two that start alike have to be made: one record more with another last digit.
    const index = join(store.root, "overlay-images", "images.json");
    const saved = readFileSync(index);
    const twin = app.id.slice(0, -1) + (app.id.endsWith("0") ? "1" : "0");
    const list = JSON.parse(saved.toString("utf8")) as ImageRecord[];
    writeFileSync(index, JSON.stringify([...list, { ...app, id: twin, names: [] }]));
    try {
      const { exitCode, stderr } = await pull(app.id.slice(0, 12));
      expect(exitCode).toBe(1);
      expect(stderr).toContain("[REF_AMBIGUOUS]");
      for (const id of [app.id, twin]) expect(stderr).toContain(id.slice(0, 12));
    } finally {
      writeFileSync(index, saved);
    }
  });

  function pull(image: string) {
    return cfsctl(["--repo", repo, "oci", "pull", `containers-storage:${store.reference(image)}`, "test"]);
  }
});

function writer(name: string): (dir: string) => void {
  return (dir) => {
    mkdirSync(join(dir, "usr"));
    writeFileSync(join(dir, "usr", name), name.repeat(100));
  };
}

function record(store: TestStore, name: string): ImageRecord {
  const list = JSON.parse(readFileSync(join(store.root, "overlay-images", "images.json"), "utf8")) as ImageRecord[];
  const found = list.find(({ names }) => names?.includes(name));
  if (found === undefined) throw new Error(`${name} is not in ${store.root}`);
  return found;
}

function conf(fs: LoopFs, file: string, store: TestStore, more = ""): string {
  const path = join(fs.path, file);
  const roots = `graphroot = ${JSON.stringify(store.root)}\nrunroot = ${JSON.stringify(store.runRoot)}\n`;
  writeFileSync(path, `[storage]\ndriver = "overlay"\n${roots}${more}`);
  return path;
}
