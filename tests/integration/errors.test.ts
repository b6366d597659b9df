import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { type CfsctlResult, cfsctl } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, pullJson } from "../support/repo.ts";
import { streamLinks, streamRefs } from "../support/repo-state.ts";
import { run } from "../support/run.ts";
import { INLINE_FILE, LARGE_FILE } from "../support/small-tree.ts";
import { layerWith, type StoredLayer, type TestStore, testStore } from "../support/store.ts";
import { buildSmallImage } from "../support/store-builder.ts";
import { treeDigest } from "../support/tree-digest.ts";

const NAME = "localhost/small:latest";

describe.skipIf(requires("ext4", "buildah", "cfsctl") !== null)("bad input", () => {
  let fs: LoopFs;
  let count = 0;

  beforeAll(() => {
    fs = mountLoopFs("ext4", { size: 3 * 2 ** 30 });
    buildSmallImage(testStore(join(fs.path, "original")), NAME);
  });
  afterAll(() => fs?.dispose());

  describe("a damaged store", () => {
    const cases: [string, string, (layer: StoredLayer, store: TestStore) => void][] = [
      ["tar-split missing", "TAR_SPLIT_MISSING", ({ tarSplit }) => rmSync(tarSplit)],
      [
        "tar-split cut in its gzip data",
        "TAR_SPLIT_CORRUPT",
        ({ tarSplit }) => edit(tarSplit, (b) => b.subarray(0, -20)),
      ],
      ["tar-split not gzip", "TAR_SPLIT_CORRUPT", ({ tarSplit }) => writeFileSync(tarSplit, "not gzip at all")],
      // The gzip trailer: CRC-32, then the length, of 4 bytes each.
      ["tar-split with another checksum", "TAR_SPLIT_CORRUPT", ({ tarSplit }) => edit(tarSplit, flip(-8))],
      [
        "tar-split without its last lines",
        "DIFF_ID_MISMATCH",
        ({ tarSplit }) => editLines(tarSplit, (l) => l.slice(0, -9)),
      ],
      [
        "tar-split with an unknown line",
        "TAR_SPLIT_CORRUPT",
        ({ tarSplit }) => editLines(tarSplit, (l) => ['{"type":9}', ...l]),
      ],
      [
        "one byte changed in a large file",
        "CONTENT_CHECKSUM_MISMATCH",
        ({ diff }) => edit(join(diff, LARGE_FILE), flip(70_000)),
      ],
      [
        "one byte changed in an inline file",
        "CONTENT_CHECKSUM_MISMATCH",
        ({ diff }) => edit(join(diff, INLINE_FILE), flip(5)),
      ],
      ["large file grown", "SIZE_MISMATCH", ({ diff }) => appendFileSync(join(diff, LARGE_FILE), "x")],
      ["inline file grown", "SIZE_MISMATCH", ({ diff }) => appendFileSync(join(diff, INLINE_FILE), "x")],
      ["large file cut", "SIZE_MISMATCH", ({ diff }) => edit(join(diff, LARGE_FILE), (b) => b.subarray(0, 99_999))],
      ["large file missing", "FILE_NOT_FOUND", ({ diff }) => rmSync(join(diff, LARGE_FILE))],
      ["inline file missing", "FILE_NOT_FOUND", ({ diff }) => rmSync(join(diff, INLINE_FILE))],
      ["symlink in place of a file", "UNSAFE_PATH", ({ diff }) => swap(join(diff, LARGE_FILE), "/etc/hostname")],
      [
        "symlink in place of a directory",
        "UNSAFE_PATH",
        ({ diff }) => swap(join(diff, "data"), "../../../../../../etc"),
      ],
      ["directory in place of a file", "NOT_REGULAR_FILE", ({ diff }) => replaceByDirectory(join(diff, LARGE_FILE))],
      [
        "layers.json malformed",
        "STORE_CORRUPT",
        (_, { root }) => edit(join(root, "overlay-layers/layers.json"), (b) => b.subarray(0, -5)),
      ],
      [
        "images.json malformed",
        "STORE_CORRUPT",
        (_, { root }) => edit(join(root, "overlay-images/images.json"), (b) => b.subarray(0, -5)),
      ],
      ["layer missing from layers.json", "LAYER_NOT_FOUND", (layer, { root }) => dropLayer(root, layer.id)],
    ];

    test.each(cases)("%s: %s", async (_, code, damage) => {
      const { repo, store, layer } = await freshCase();
      damage(layer, store);
      expectError(await pull(repo, store.reference(NAME)), code);
      expectNothingNamed(repo, layer.diffId);
    });

    test("--json prints the error with its code", async () => {
      const { repo, store, layer } = await freshCase();
      appendFileSync(join(layer.diff, LARGE_FILE), "x");
      const result = await pull(repo, store.reference(NAME), ["--json"]);
      expectError(result, "SIZE_MISMATCH");
      expectNothingNamed(repo, layer.diffId);
    });

    test("--verify decides who notices a changed byte", async () => {
      const { repo, store, layer } = await freshCase();
      edit(join(layer.diff, LARGE_FILE), flip(1));
      for (const verify of ["crc", "diffid"]) {
        const result = await pull(repo, store.reference(NAME), ["--verify", verify]);
        expectError(result, verify === "crc" ? "CONTENT_CHECKSUM_MISMATCH" : /\[(CONTENT_CHECKSUM|DIFF_ID)_MISMATCH\]/);
        expectNothingNamed(repo, layer.diffId);
      }
      await pullJson(repo, store.reference(NAME), ["--verify", "none"]);
    });

    test("a repaired store imports into the same repository", async () => {
      const { repo, store, layer } = await freshCase();
      const path = join(layer.diff, LARGE_FILE);
      edit(path, flip(1));
      expectError(await pull(repo, store.reference(NAME)), "CONTENT_CHECKSUM_MISMATCH");
      edit(path, flip(1));
      const { stats } = await pullJson(repo, store.reference(NAME));
      expect(stats.layers).toBe(3);
      expect(streamLinks(repo)[`oci-layer-${layer.diffId}`]).toBeDefined();
    });
  });

  describe("a store or image that is not there", () => {
    test.each<[string, string, (store: TestStore) => string, ((dir: string) => Record<string, string>)?]>([
      ["store missing", "STORE_NOT_FOUND", () => `[overlay@/nowhere/storage+/nowhere/run]${NAME}`],
      ["directory is no store", "STORE_NOT_FOUND", ({ root }) => `[overlay@${dirname(root)}]${NAME}`],
      ["image unknown", "STORE_IMAGE_NOT_FOUND", (store) => store.reference("localhost/smell:latest")],
      ["reference malformed", "REF_INVALID", () => "[overlay@/unterminated"],
      ["storage.conf malformed", "STORE_CORRUPT", () => NAME, (dir) => badConf(dir)],
    ])("%s: %s", async (_, code, reference, env) => {
      const { repo, store } = await freshCase();
      expectError(await pull(repo, reference(store), [], env?.(fs.path)), code);
      expectNothingNamed(repo);
    });
  });

  describe("a repository that cannot take it", () => {
    test("missing: REPO_NOT_FOUND", async () => {
      const store = testStore(join(fs.path, "original"));
      expectError(await pull(join(fs.path, "no-repo"), store.reference(NAME)), "REPO_NOT_FOUND");
    });

    test.each([
      ["fsverity-sha512-12", "sha256"],
      ["fsverity-sha256-12", "sha512"],
    ])("of %s with --hash %s: REPO_CONFIG_MISMATCH", async (algorithm, hash) => {
      const { store } = await freshCase();
      const repo = await initRepo(join(fs.path, `other-hash-${hash}`), algorithm);
      const args = ["--repo", repo, "--hash", hash, "oci", "pull", `containers-storage:${store.reference(NAME)}`];
      expectError(await cfsctl(args), "REPO_CONFIG_MISMATCH");
      expectNothingNamed(repo);
    });

    test("mounted read-only: REPO_READ_ONLY", async () => {
      const { repo, store } = await freshCase();
      const before = treeDigest(repo);
      const readOnly = join(fs.path, "read-only");
      mkdirSync(readOnly);
      run("mount", ["--bind", repo, readOnly]);
      run("mount", ["-o", "remount,bind,ro", readOnly]);
      expectError(await pull(readOnly, store.reference(NAME)), "REPO_READ_ONLY");
      expect(treeDigest(repo)).toBe(before);
    });
  });

  /** A copy of the store that a case may damage, and an empty repository beside it. */
  async function freshCase(): Promise<{ repo: string; store: TestStore; layer: StoredLayer }> {
    count += 1;
    const base = join(fs.path, `case-${count}`);
    mkdirSync(base);
    run("cp", ["-a", join(fs.path, "original", "storage"), base]);
    const store = testStore(base);
    return { repo: await initRepo(join(base, "repo")), store, layer: layerWith(store, LARGE_FILE) };
  }
});

function pull(repo: string, reference: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  return cfsctl(["--repo", repo, "oci", "pull", ...args, `containers-storage:${reference}`, "test"], { env });
}

function expectError({ exitCode, stderr }: CfsctlResult, code: string | RegExp): void {
  expect(stderr).toMatch(/^Error: /m);
  if (typeof code === "string") expect(stderr).toContain(`[${code}]`);
  else expect(stderr).toMatch(code);
  expect(stderr).toMatch(/^Hint: ./m);
  expect(exitCode).toBe(1);
}

function expectNothingNamed(repo: string, diffId?: string): void {
  expect(streamRefs(repo)).toEqual([]);
  const names = Object.keys(streamLinks(repo));
  expect(names.filter((name) => /^oci-(manifest|config)-/.test(name))).toEqual([]);
  if (diffId !== undefined) expect(names).not.toContain(`oci-layer-${diffId}`);
}

function edit(path: string, change: (bytes: Buffer) => Uint8Array): void {
  writeFileSync(path, change(readFileSync(path)));
}

function editLines(tarSplit: string, change: (lines: string[]) => string[]): void {
  edit(tarSplit, (bytes) => {
    const lines = gunzipSync(bytes).toString("utf8").trimEnd().split("\n");
    return gzipSync(`${change(lines).join("\n")}\n`);
  });
}

/** Changes one bit of one byte; a negative offset counts from the end. */
function flip(offset: number): (bytes: Buffer) => Buffer {
  return (bytes) => {
    const at = offset < 0 ? bytes.length + offset : offset;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes;
  };
}

function swap(path: string, target: string): void {
  rmSync(path, { recursive: true });
  symlinkSync(target, path);
}

function replaceByDirectory(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

function dropLayer(root: string, id: string): void {
  edit(join(root, "overlay-layers/layers.json"), (bytes) => {
    const layers = JSON.parse(bytes.toString("utf8")) as { id: string }[];
    return Buffer.from(JSON.stringify(layers.filter((layer) => layer.id !== id)));
  });
}

function badConf(dir: string): Record<string, string> {
  const path = join(dir, "bad.conf");
  writeFileSync(path, '[storage\ndriver = "overlay"\n');
  return { CONTAINERS_STORAGE_CONF: path };
}
