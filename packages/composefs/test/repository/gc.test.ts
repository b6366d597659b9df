import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findingText } from "../../src/repository/finding.ts";
import { checkRepository } from "../../src/repository/fsck.ts";
import type { GcResult } from "../../src/repository/gc.ts";
import { ScratchRepository } from "./scratch-repository.ts";

const kinds = (result: GcResult): string[] => result.problems.map(({ kind, path }) => `${kind} ${path}`);

test("an empty repository", async () => {
  const result = await new ScratchRepository().gc();
  expect(result).toEqual({
    dryRun: false,
    objectsRemoved: 0,
    bytesRemoved: 0,
    imagesPruned: 0,
    streamsPruned: 0,
    removed: [],
    pruned: [],
    problems: [],
  });
});

test("refs keep images and streams and what they refer to; entries without a ref keep nothing", async () => {
  const repo = new ScratchRepository();
  const [a, b, c, dead] = ["a", "b", "c", "dead!"].map((text) => repo.put(text)) as [never, never, never, never];
  const image = repo.putImage([a]);
  repo.ref("images", "x/y", image);
  const layer = repo.putStream("layer", [b]);
  const unnamed = repo.putStream(null, [dead]);
  const manifest = repo.putStream("manifest", [c], { layer, unnamed });
  repo.ref("streams", "oci/app", "manifest");
  const lost = repo.putImage([dead]);
  const lostStream = repo.putStream("lost", [dead]);

  const result = await repo.gc();
  expect(repo.objects()).toEqual([a, b, c, image, layer, unnamed, manifest].sort());
  expect(result.removed.map(({ id }) => id)).toEqual([dead, lost, lostStream].sort());
  expect(result.removed.find(({ id }) => id === dead)?.sizeBytes).toBe(5);
  expect(result.bytesRemoved).toBe(result.removed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  expect(result.pruned).toEqual([`images/${lost}`, "streams/lost"]);
  expect([result.objectsRemoved, result.imagesPruned, result.streamsPruned]).toEqual([3, 1, 1]);
  expect(result.problems).toEqual([]);
});

test("what lies behind a link in the place of an object directory is somebody else's", async () => {
  const [repo, other] = [new ScratchRepository(), new ScratchRepository()];
  const id = other.put("theirs");
  const prefix = id.slice(0, 2);
  mkdirSync(join(repo.path, "objects"), { recursive: true });
  symlinkSync(join(other.path, "objects", prefix), join(repo.path, "objects", prefix));
  const result = await repo.gc();
  expect(other.objects()).toEqual([id]);
  expect(result.objectsRemoved).toBe(0);
  expect(kinds(result)).toEqual([`unexpected-file-type objects/${prefix}`]);
});

test("an image named by a stream is kept, not opened", async () => {
  const repo = new ScratchRepository();
  const inner = repo.put("only the image has it");
  const image = repo.putImage([inner]);
  repo.putStream("config", [], { "composefs.image": image });
  repo.ref("streams", "tag", "config");
  await repo.gc();
  expect(repo.objects()).toContain(image);
  expect(repo.objects()).not.toContain(inner);
});

test("streams that name each other end the walk", async () => {
  const repo = new ScratchRepository();
  const first = repo.putStream("first", []);
  repo.putStream("second", [], { first });
  repo.ref("streams", "a", "second");
  repo.ref("streams", "b", "first");
  expect((await repo.gc()).objectsRemoved).toBe(0);
});

test("a dry run says what the real one then does, and changes nothing", async () => {
  const repo = new ScratchRepository();
  repo.ref("images", "kept", repo.putImage([repo.put("kept")]));
  repo.putImage([repo.put("dead")]);
  repo.putStream("dead", [repo.put("dead, too")]);
  repo.symlink("streams/refs/dangling", "../nowhere");
  const before = repo.names();
  const said = await repo.gc({ dryRun: true });
  expect(repo.names()).toEqual(before);
  expect(await repo.gc()).toEqual({ ...said, dryRun: false });
  expect(said.removed).toHaveLength(4);
  expect(said.pruned).toHaveLength(3);
});

test("strays that are no names of ours stay", async () => {
  const repo = new ScratchRepository();
  const strays = ["objects/.tmp-object-abcdefghijkl", "objects/zz/file", "objects/file"];
  for (const path of strays) repo.write(path, "stray");
  repo.symlink(".symlink-abcdefghijkl", "nowhere");
  expect((await repo.gc()).problems).toEqual([]);
  expect(repo.names()).toEqual(expect.arrayContaining(strays));
});

/** A live image and a dead object stand beside each damage: the run goes on. */
const damages: [string, (repo: ScratchRepository) => string[], string[]][] = [
  [
    "a ref to a missing entry",
    (repo) => {
      repo.symlink("streams/refs/gone", "../nowhere");
      return [];
    },
    ["broken-symlink streams/refs/gone"],
  ],
  [
    "a root stream whose object is missing",
    (repo) => {
      repo.remove(repo.objectPath(repo.putStream("s", [])));
      repo.ref("streams", "s", "s");
      return [];
    },
    ["broken-symlink streams/s"],
  ],
  [
    "a root stream that is none: raw digests in it, and what they reach",
    (repo) => {
      const inner = repo.put("inner");
      const reached = repo.putStream(null, [inner]);
      const plain = repo.put("plain");
      const bytes = Buffer.concat([Buffer.from("junk"), Buffer.from(reached + plain, "hex"), Buffer.from("junk")]);
      const bad = repo.put(bytes);
      repo.link("streams/bad", repo.objectPath(bad));
      repo.ref("streams", "bad", "bad");
      return [inner, reached, plain, bad];
    },
    ["stream-open-failed streams/bad"],
  ],
  [
    "a root stream of another hash",
    (repo) => {
      const inner = repo.put("inner");
      const bytes = Buffer.concat([
        Buffer.from("SplitStream\0\0\0\x02\x0c", "latin1"),
        Buffer.alloc(96),
        Buffer.from(inner, "hex"),
      ]);
      const bad = repo.put(bytes);
      repo.link("streams/bad", repo.objectPath(bad));
      repo.ref("streams", "bad", "bad");
      return [inner, bad];
    },
    ["stream-open-failed streams/bad"],
  ],
  [
    "a root image that is none: digests as paths in it",
    (repo) => {
      const plain = repo.put("plain");
      const bad = repo.put(`junk/${plain.slice(0, 2)}/${plain.slice(2)}\0junk`);
      repo.link(`images/${bad}`, repo.objectPath(bad));
      repo.ref("images", "bad", bad);
      return [plain, bad];
    },
    ["image-invalid images/<bad>"],
  ],
  [
    "a root image that has changed, though it still parses",
    (repo) => {
      const [old, inner] = [repo.put("old"), repo.put("inner")];
      const id = repo.putImage([old]);
      repo.write(repo.objectPath(id), `fake image\n${inner}\n`);
      repo.ref("images", "changed", id);
      return [inner, id];
    },
    ["object-digest-mismatch <bad object>"],
  ],
  [
    "a plain file in images/",
    (repo) => {
      repo.write("images/file", "");
      return [];
    },
    ["entry-not-symlink images/file"],
  ],
  [
    "a directory in streams/",
    (repo) => {
      repo.write("streams/d/f", "");
      return [];
    },
    ["entry-not-symlink streams/d"],
  ],
  [
    "a ref to a plain file in streams/",
    (repo) => {
      const inner = repo.put("inner");
      repo.write("streams/file", Buffer.from(inner, "hex"));
      repo.ref("streams", "file", "file");
      return [inner];
    },
    ["entry-not-symlink streams/file"],
  ],
  [
    "a plain file below refs/",
    (repo) => {
      const inner = repo.put("inner");
      repo.write("streams/refs/a/file", Buffer.from(inner, "hex"));
      return [inner];
    },
    ["unexpected-file-type streams/refs/a/file"],
  ],
  [
    "a ref straight to an object",
    (repo) => {
      const inner = repo.put("inner");
      const stream = repo.putStream(null, [inner]);
      repo.link("streams/refs/straight", repo.objectPath(stream));
      return [inner, stream];
    },
    ["broken-symlink streams/refs/straight"],
  ],
  [
    "a ref to an image whose entry is missing",
    (repo) => {
      const id = repo.putImage([]);
      repo.remove(`images/${id}`);
      repo.ref("images", "entryless", id);
      return [id];
    },
    ["broken-symlink images/refs/entryless"],
  ],
  [
    "an entry that points elsewhere",
    (repo) => {
      const inner = repo.put("inner");
      repo.write("elsewhere", Buffer.from(inner, "hex"));
      repo.link("streams/odd", "elsewhere");
      repo.ref("streams", "odd", "odd");
      return [inner];
    },
    ["stream-open-failed streams/odd"],
  ],
  [
    "a short name among the objects",
    (repo) => {
      repo.write("objects/00/short", "");
      return [];
    },
    ["object-invalid-name objects/00/short"],
  ],
  [
    "a directory among the objects",
    (repo) => {
      mkdirSync(join(repo.path, "objects/00", "a".repeat(62)), { recursive: true });
      return [];
    },
    [`unexpected-file-type objects/00/${"a".repeat(62)}`],
  ],
  [
    "a ref to ..",
    (repo) => {
      repo.symlink("streams/refs/up", "..");
      return [];
    },
    [],
  ],
  [
    "a live stream that lacks an object",
    (repo) => {
      const gone = repo.put("gone");
      const stream = repo.putStream("s", [gone]);
      repo.ref("streams", "s", "s");
      repo.remove(repo.objectPath(gone));
      return [stream];
    },
    [],
  ],
];

test.each(damages)("%s is reported and stops nothing", async (_, damage, problems) => {
  const repo = new ScratchRepository();
  const live = repo.put("live");
  const image = repo.putImage([live]);
  repo.ref("images", "live", image);
  const dead = repo.put("dead");
  const kept = damage(repo);
  const bad = kept.at(-1) ?? "";
  const shown = (text: string): string => text.replace("<bad object>", repo.objectPath(bad)).replace("<bad>", bad);

  const said = await repo.gc({ dryRun: true });
  const result = await repo.gc();
  expect(result).toEqual({ ...said, dryRun: false });
  expect(kinds(result)).toEqual(problems.map(shown));
  expect(repo.objects()).toEqual(expect.arrayContaining([live, image, ...kept]));
  expect(repo.objects()).not.toContain(dead);
  // What a damaged root tells of is kept by the next run as well.
  await repo.gc();
  expect(repo.objects()).toEqual(expect.arrayContaining([live, image, ...kept]));
});

test("a root that cannot be read may need anything: no object goes", async () => {
  const repo = new ScratchRepository();
  const dead = repo.put("dead");
  const id = repo.putStream("s", []);
  repo.ref("streams", "s", "s");
  repo.remove(repo.objectPath(id));
  mkdirSync(join(repo.path, repo.objectPath(id)));
  const result = await repo.gc();
  expect(kinds(result)).toContain("stream-read-failed streams/s");
  expect(repo.objects()).toContain(dead);
});

test.each(["streams", "images/refs"])("%s that is no directory stops the run before anything goes", async (path) => {
  const repo = new ScratchRepository();
  repo.put("dead");
  repo.write(path, "");
  const before = repo.names();
  await expect(repo.gc()).rejects.toMatchObject({ code: "REPO_CORRUPT" });
  expect(repo.names()).toEqual(before);
});

test("names that are no UTF-8 hold their streams", async () => {
  const repo = new ScratchRepository();
  const inner = repo.put("inner");
  const stream = repo.putStream(null, [inner]);
  const bytes = (text: string): Buffer => Buffer.from(text, "latin1");
  mkdirSync(join(repo.path, "streams/refs"), { recursive: true });
  symlinkSync(`../${repo.objectPath(stream)}`, Buffer.concat([bytes(`${repo.path}/streams/`), bytes("s\xff")]));
  symlinkSync(bytes("../s\xff"), Buffer.concat([bytes(`${repo.path}/streams/refs/`), bytes("r\xfe")]));
  const result = await repo.gc();
  expect(result.problems).toEqual([]);
  expect(repo.objects()).toEqual([inner, stream].sort());
});

test("a run that is stopped half-way leaves no name without its objects", async () => {
  const repo = new ScratchRepository();
  const objects = Array.from({ length: 400 }, (_, i) => repo.put(`object ${i}`));
  repo.putStream("layer", objects);
  repo.ref("images", "live", repo.putImage(objects.slice(0, 10)));
  const controller = new AbortController();
  let turns = 0;
  const signal = new Proxy(controller.signal, {
    get(target, key) {
      if (key === "throwIfAborted" && repo.names().every((name) => !name.startsWith("streams/layer"))) {
        if (++turns > 1) controller.abort();
      }
      const value = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  await expect(repo.gc({ signal })).rejects.toMatchObject({ name: "AbortError" });
  const left = repo.objects().length;
  expect(left).toBeGreaterThan(11);
  expect(left).toBeLessThan(402);
  expect((await checkRepository(repo.context)).findings.map((found) => findingText(found))).toEqual([]);
  expect((await repo.gc()).objectsRemoved).toBe(left - 11);
});

test("a loop in place of a directory of objects is told of, and no name into it goes", async () => {
  const repo = new ScratchRepository();
  const stream = repo.putStream("layer", []);
  repo.ref("streams", "app", "layer");
  const directory = join("objects", stream.slice(0, 2));
  rmSync(join(repo.path, directory), { recursive: true });
  symlinkSync(stream.slice(0, 2), join(repo.path, directory));
  const result = await repo.gc();
  expect(kinds(result)).toContain(`unexpected-file-type ${directory}`);
  expect(result.pruned).toEqual([]);
});
