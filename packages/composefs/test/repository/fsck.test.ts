import { mkdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { verityDigest } from "@composefs/reflink";
import { expect, test } from "vitest";
import { type Finding, findingText } from "../../src/repository/finding.ts";
import { checkRepository } from "../../src/repository/fsck.ts";
import { fsckJson, fsckLines } from "../../src/repository/fsck-report.ts";
import { ScratchRepository } from "./scratch-repository.ts";

/** Two objects, one of them in an image and one in a stream, both with a ref. */
function sound(): ScratchRepository & { a: string; b: string; image: string; stream: string } {
  const repo = new ScratchRepository();
  const [a, b] = [repo.put("a"), repo.put("b")];
  const image = repo.putImage([a]);
  const stream = repo.putStream("s", [b]);
  repo.ref("images", "app", image);
  repo.ref("streams", "oci/app", "s");
  return Object.assign(repo, { a, b, image, stream });
}

/** Digest of the content `c`. */
const C = Buffer.from(verityDigest(Buffer.from("c"), "sha256")).toString("hex");

type Sound = ReturnType<typeof sound>;

test("a sound repository", async () => {
  const report = await checkRepository(sound().context);
  expect(fsckLines(report)).toEqual([
    "meta.json: ok",
    "objects: 4/4 ok",
    "streams: 1/1 ok",
    "images: 1/1 ok",
    "status: ok",
  ]);
  // The reference's keys in its order, as it printed them for such a repository.
  expect(JSON.stringify(fsckJson(report))).toBe(
    '{"ok":true,"has_metadata":true,"objects_checked":4,"objects_corrupted":0,"streams_checked":1,"streams_corrupted":0,' +
      '"images_checked":1,"images_corrupted":0,"broken_links":0,"missing_objects":0,"errors":[]}',
  );
});

/** Lines as the reference printed them for the same damages, save where a detail is our own (`…`). */
const damages: [string, (repo: Sound) => unknown, (repo: Sound) => string[], string[]][] = [
  [
    "a short object name",
    (repo) => repo.write("objects/00/short", ""),
    () => ["fsck: object-invalid-name: objects/00/short: Invalid string length"],
    ["objects: 4/5 ok"],
  ],
  [
    "an object name with other letters",
    (repo) => repo.write(`objects/00/${"g".repeat(62)}`, ""),
    () => [`fsck: object-invalid-name: objects/00/${"g".repeat(62)}: Invalid character 'g' at position 0`],
    ["objects: 4/5 ok"],
  ],
  [
    "a symlink for an object",
    (repo) => repo.symlink(`objects/00/${"a".repeat(62)}`, "nope"),
    () => [`fsck: object-open-failed: objects/00/${"a".repeat(62)}: …`],
    ["objects: 4/5 ok"],
  ],
  [
    "a directory for an object",
    (repo) => mkdirSync(join(repo.path, `objects/00/${"b".repeat(62)}`), { recursive: true }),
    () => [`fsck: object-verity-failed: objects/00/${"b".repeat(62)}: …`],
    ["objects: 4/5 ok"],
  ],
  [
    "an object of other content",
    (repo) => repo.write(repo.objectPath(repo.a), ""),
    // The digest of no content, repository.md §3.
    (repo) => [
      `fsck: object-digest-mismatch: ${repo.objectPath(repo.a)}: measured 3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95`,
    ],
    ["objects: 3/4 ok", "images: 1/1 ok"],
  ],
  [
    "several faults among the objects, bytewise by path",
    (repo) => {
      repo.write("objects/ff/short", "");
      repo.write(repo.objectPath(repo.a), "");
      repo.write("objects/fe", "");
      repo.write("objects/00/short", "");
    },
    (repo) => [
      "fsck: object-invalid-name: objects/00/short: Invalid string length",
      `fsck: object-digest-mismatch: ${repo.objectPath(repo.a)}: …`,
      "fsck: unexpected-file-type: objects/fe: RegularFile",
      "fsck: object-invalid-name: objects/ff/short: Invalid string length",
    ],
    ["objects: 3/7 ok"],
  ],
  [
    "missing objects",
    (repo) => [repo.a, repo.b].map((id) => repo.remove(repo.objectPath(id))),
    (repo) => [
      `fsck: missing-object-ref: streams/s: ${repo.b}`,
      `fsck: image-missing-object: images/${repo.image}: ${repo.a}`,
    ],
    ["objects: 2/2 ok", "streams: 1/1 ok", "images: 1/1 ok", "missing objects: 2"],
  ],
  [
    "a missing named reference",
    (repo) => {
      repo.putStream("t", [], { config: repo.put("c") });
      repo.remove(repo.objectPath(C));
    },
    () => [`fsck: missing-named-ref: streams/t: ref config: ${C}`],
    ["streams: 2/2 ok", "missing objects: 1"],
  ],
  [
    "a missing stream",
    (repo) => repo.remove(repo.objectPath(repo.stream)),
    () => ["fsck: broken-symlink: streams/s", "fsck: broken-symlink: streams/refs/oci/app"],
    ["streams: 0/1 ok", "broken symlinks: 2"],
  ],
  [
    "a missing image",
    (repo) => repo.remove(repo.objectPath(repo.image)),
    (repo) => [`fsck: broken-symlink: images/${repo.image}`, "fsck: broken-symlink: images/refs/app"],
    ["images: 0/1 ok", "broken symlinks: 2"],
  ],
  [
    "entries that are no stream and no image",
    (repo) => {
      repo.link("streams/plain", repo.objectPath(repo.a));
      repo.link("images/plain", repo.objectPath(repo.a));
    },
    () => [
      "fsck: stream-open-failed: streams/plain: Opening stream 'plain': …",
      "fsck: image-invalid: images/plain: …",
    ],
    ["streams: 1/2 ok", "images: 1/2 ok"],
  ],
  [
    "entries that lead out of objects/",
    (repo) => {
      repo.symlink("streams/etc", "/etc");
      repo.symlink("images/etc", "/etc");
    },
    () => ["fsck: stream-open-failed: streams/etc: Opening stream 'etc': …", "fsck: image-open-failed: images/etc: …"],
    ["streams: 1/2 ok", "images: 1/2 ok"],
  ],
  [
    "things that are no links",
    (repo) => {
      repo.write("streams/plain", "");
      repo.write("images/dir/file", "");
      repo.write("images/refs/file", "");
    },
    () => [
      "fsck: entry-not-symlink: streams/plain",
      "fsck: entry-not-symlink: images/dir",
      "fsck: unexpected-file-type: images/refs/file: RegularFile",
    ],
    ["streams: 1/2 ok", "images: 1/2 ok"],
  ],
  [
    "links that lead nowhere, one of them in circles",
    (repo) => {
      repo.symlink("images/refs/a/b/c", "../../../nope");
      repo.symlink("streams/refs/loop", "loop");
      repo.symlink("streams/refs/up", "..");
    },
    () => ["fsck: stat-failed: streams/refs/loop: …", "fsck: broken-symlink: images/refs/a/b/c"],
    ["broken symlinks: 1"],
  ],
  [
    "refs that are no directory",
    (repo) => {
      repo.remove("images/refs");
      repo.write("images/refs", "");
    },
    () => ["fsck: entry-not-symlink: images/refs"],
    [],
  ],
  [
    "metadata that cannot be read",
    (repo) => repo.write("meta.json", "{}"),
    () => ["fsck: metadata-parse-failed: meta.json: …"],
    ["meta.json: error"],
  ],
  [
    "metadata of another hash",
    (repo) => repo.write("meta.json", '{"version":1,"algorithm":"fsverity-sha512-12"}'),
    () => ["fsck: metadata-algorithm-mismatch: meta.json: …"],
    ["meta.json: error"],
  ],
];

test.each(damages)("%s", async (_, damage, expected, lines) => {
  const repo = sound();
  damage(repo);
  const before = repo.names();
  const told: Finding[] = [];
  const report = await checkRepository(repo.context, { onFinding: (found) => told.push(found) });
  expect(repo.names()).toEqual(before);
  const texts = report.findings.map((found) => findingText(found));
  const wanted = expected(repo);
  expect(texts.map((text, i) => cut(text, wanted[i]))).toEqual(wanted);
  expect(fsckLines(report)).toEqual(expect.arrayContaining(lines));
  expect(fsckLines(report)).toContain(`status: ${wanted.length} error(s)`);
  expect([report.ok, fsckJson(report).errors, told]).toEqual([false, texts, report.findings]);
});

/** `text` up to where `pattern` has its ellipsis. */
function cut(text: string, pattern = ""): string {
  return pattern.endsWith("…") ? `${text.slice(0, pattern.length - 1)}…` : text;
}

test("a repository that requires fs-verity says which objects lack it, whatever their content", async () => {
  const repo = sound();
  const report = await checkRepository({ ...repo.context, verity: true });
  expect(report.findings).toHaveLength(4);
  expect(report.findings[0]).toEqual({
    kind: "object-verity-missing",
    path: repo.objectPath(repo.objects()[0] as string),
  });
});

test("no metadata, no objects", async () => {
  const repo = new ScratchRepository();
  repo.remove("meta.json");
  const report = await checkRepository(repo.context);
  expect(report).toMatchObject({ ok: true, metadata: "absent", objects: { checked: 0, bad: 0 } });
  expect(fsckJson(report).has_metadata).toBe(false);
});

test("metadata only: objects have to be there, whatever is in them", async () => {
  const repo = sound();
  repo.write(repo.objectPath(repo.a), "changed");
  repo.remove(repo.objectPath(repo.b));
  const report = await checkRepository(repo.context, { metadataOnly: true });
  expect(report.objects).toEqual({ checked: 0, bad: 0 });
  expect(report.findings.map(({ kind }) => kind)).toEqual(["missing-object-ref"]);
});

test("a repair removes broken links and leftover temporary files, and nothing else", async () => {
  const repo = sound();
  const before = repo.names();
  repo.symlink("images/refs/a/gone", "../../nowhere");
  repo.symlink("streams/gone", "../objects/aa/bb");
  repo.symlink("streams/refs/gone", "../gone");
  repo.write("objects/.tmp-object-abcdefghijkl", "");
  repo.write("objects/.tmp-abcdefghijkl", "");
  repo.write(".tmp-abcdefghijkl", "");
  repo.write(".meta.json-abcdefghijkl", "");
  repo.symlink(".symlink-abcdefghijkl", "nowhere");
  const ours = [".tmp-notes", "objects/.tmp-object-short", "objects/zz/file"];
  for (const path of ours) repo.write(path, "");
  repo.write("objects/00/short", "");

  const report = await checkRepository(repo.context, { repair: true });
  expect(report.repaired.toSorted()).toEqual([
    ".meta.json-abcdefghijkl",
    ".symlink-abcdefghijkl",
    ".tmp-abcdefghijkl",
    "images/refs/a/gone",
    "objects/.tmp-abcdefghijkl",
    "objects/.tmp-object-abcdefghijkl",
    "streams/gone",
    "streams/refs/gone",
  ]);
  expect(repo.names()).toEqual([...before, ...ours, "objects/00/short"].sort());
  expect(report.ok).toBe(false); // the short name stays
  rmSync(join(repo.path, "objects/00/short"));
  expect((await checkRepository(repo.context, { repair: true })).ok).toBe(true);
});

test("what a repair has mended is no error any more", async () => {
  const repo = sound();
  repo.symlink("images/refs/gone", "../nowhere");
  const report = await checkRepository(repo.context, { repair: true });
  expect(report).toMatchObject({ ok: true, brokenLinks: 1, repaired: ["images/refs/gone"] });
  expect(() => readlinkSync(join(repo.path, "images/refs/gone"))).toThrow("ENOENT");
});

test("more objects than one batch, in order", async () => {
  const repo = new ScratchRepository();
  const ids = Array.from({ length: 5000 }, (_, i) => repo.put(`object ${i}`));
  const bad = ids.filter((_, i) => i % 1000 === 0);
  for (const id of bad) repo.write(repo.objectPath(id), "changed");
  const report = await checkRepository(repo.context);
  expect(report.objects).toEqual({ checked: 5000, bad: 5 });
  expect(report.findings.map(({ path }) => path)).toEqual(bad.map((id) => repo.objectPath(id)).sort());
});
