import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { explainObject } from "../../src/repository/gc.ts";
import { ScratchRepository } from "./scratch-repository.ts";

const rootNames: [string, (id: string) => string][] = [
  ["entry", (id) => id],
  ["refs/NAME", () => "refs/x/y"],
  ["NAME", () => "x/y"],
  ["sha256:hex", (id) => `sha256:${id}`],
  ["eight digits", (id) => id.slice(0, 8)],
];

test.each(rootNames)("root by %s", async (_, name) => {
  const repo = new ScratchRepository();
  const inner = repo.put("inner");
  const image = repo.putImage([inner]);
  repo.ref("images", "x/y", image);
  if (!name(image).includes("x/y")) repo.remove("images/refs");
  await repo.gc({ roots: [name(image)] });
  expect(repo.objects()).toEqual([inner, image].sort());
});

test("root by content identifier", async () => {
  const repo = new ScratchRepository();
  const stream = repo.putStream("oci-layer-sha256:aa", []);
  await repo.gc({ roots: ["oci-layer-sha256:aa"] });
  expect(repo.objects()).toEqual([stream]);
});

test.each(["nothing", "refs/nothing", "0123456", "sha512:0123456789", "../streams", ""])(
  "unknown root '%s' removes nothing",
  async (root) => {
    const repo = new ScratchRepository();
    const dead = repo.put("dead");
    await expect(repo.gc({ roots: [root] })).rejects.toMatchObject({
      code: expect.stringMatching(/^REF_(NOT_FOUND|INVALID)$/),
    });
    expect(repo.objects()).toEqual([dead]);
  },
);

test("a root of two meanings removes nothing", async () => {
  const repo = new ScratchRepository();
  const first = "0".repeat(8);
  for (const rest of ["1", "2"]) repo.symlink(`images/${first}${rest.repeat(56)}`, "nowhere");
  await expect(repo.gc({ roots: [first] })).rejects.toMatchObject({ code: "REF_AMBIGUOUS" });
});

test("why: names from a root to an object", async () => {
  const repo = new ScratchRepository();
  const [inner, image, dead] = [repo.put("inner"), repo.put("an image"), repo.put("dead")];
  const layer = repo.putStream("layer", [inner]);
  repo.putStream("manifest", [], { "layer 1": layer, "composefs.image": image });
  repo.ref("streams", "oci/app", "manifest");
  const start = [{ name: "streams/refs/oci/app" }, { name: "streams/manifest" }];
  expect(await explainObject(repo.context, inner)).toEqual([
    ...start,
    { name: "streams/layer", via: "layer 1" },
    { name: repo.objectPath(inner) },
  ]);
  expect(await explainObject(repo.context, image)).toEqual([
    ...start,
    { name: repo.objectPath(image), via: "composefs.image" },
  ]);
  expect(await explainObject(repo.context, dead)).toBeNull();
  expect(await explainObject(repo.context, dead, { roots: ["manifest"] })).toBeNull();
});

test("a ref that depends on an entry is a root as long as that is kept", async () => {
  const repo = new ScratchRepository();
  const [a, b, c, d] = ["a", "b", "c", "d"].map((text) => repo.put(text)) as [never, never, never, never];
  repo.putStream("image", [a]);
  repo.putStream("about-image", [b]);
  repo.putStream("about-that", [c]);
  repo.putStream("named", [d]);
  repo.ref("streams", "tag", "image");
  repo.ref("streams", "about/image/1", "about-image");
  repo.ref("streams", "about/about-image/1", "about-that");
  repo.ref("streams", "about/gone/1", "named");
  repo.ref("streams", "other", "named");
  const dependsOn = (ref: string) => /^about\/(.*)\//.exec(ref)?.[1] ?? null;

  expect((await repo.gc({ dependsOn })).removed).toEqual([]);
  expect((await explainObject(repo.context, c, { dependsOn }))?.map(({ name }) => name)).toContain(
    "streams/refs/about/about-image/1",
  );
  repo.ref("streams", "broken", "nowhere");
  rmSync(join(repo.path, "streams/refs/tag"));
  const kept = await repo.gc({ dependsOn });
  expect(kept.problems.map(({ kind, path }) => `${kind} ${path}`)).toEqual(["broken-symlink streams/refs/broken"]);
  expect(kept.removed.map(({ id }) => id)).toContain(a);
  expect(repo.objects()).toEqual(expect.arrayContaining([b, c, d]));
  rmSync(join(repo.path, "streams/refs/broken"), { force: true });

  expect(await explainObject(repo.context, c, { dependsOn })).toBeNull();
  const result = await repo.gc({ dependsOn });
  expect(result.pruned.filter((path) => path.startsWith("streams/refs/"))).toEqual([
    "streams/refs/about/about-image/1",
    "streams/refs/about/image/1",
  ]);
  expect(repo.objects()).toContain(d);
  expect(repo.objects()).not.toContain(b);
  expect(repo.objects()).not.toContain(c);
  expect(result.problems).toEqual([]);
});

test("directories of refs go when their last ref does, if they are empty", async () => {
  const repo = new ScratchRepository();
  repo.putStream("about", [repo.put("content")]);
  repo.putStream("kept", []);
  for (const name of ["gone/a/b/1", "gone/a/b/2", "gone/c/1", "mixed/a/1", "stray/a/1"]) {
    repo.ref("streams", name, "about");
  }
  repo.ref("streams", "mixed/b/1", "kept");
  for (const path of ["empty", "stray/a/somebody's"]) mkdirSync(join(repo.path, "streams/refs", path));
  const dependsOn = (ref: string) => (ref.startsWith("mixed/b") ? null : "nothing");

  const before = readdirSync(join(repo.path, "streams/refs"), { recursive: true });
  await repo.gc({ dependsOn, dryRun: true });
  expect(readdirSync(join(repo.path, "streams/refs"), { recursive: true })).toEqual(before);
  expect((await repo.gc({ dependsOn })).pruned.filter((path) => path.startsWith("streams/refs/"))).toHaveLength(5);
  expect(readdirSync(join(repo.path, "streams/refs"), { recursive: true }).toSorted()).toEqual(
    ["empty", "mixed", "mixed/b", "mixed/b/1", "stray", "stray/a", "stray/a/somebody's"].toSorted(),
  );

  repo.remove("streams/refs");
  repo.ref("streams", "gone/a/1", "kept");
  await repo.gc({ dependsOn });
  expect(readdirSync(join(repo.path, "streams"))).toEqual(["refs"]);
});
