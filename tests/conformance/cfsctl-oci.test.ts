import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initRepository, Repository } from "@composefs/core";
import { importImage, type OciDigest } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../packages/cfsctl/src/main.ts";
import { fakeIo } from "../../packages/cfsctl/test/fake-io.ts";
import { layoutSource } from "../support/oci-layout.ts";

/** What composefs-rs 0.9.4 prints; the file's own `about` says how it was recorded. */
interface Recorded {
  readonly outputs: readonly { readonly argv: string[]; readonly stdout: string; readonly status: number }[];
  readonly damages: readonly {
    readonly path: string;
    readonly link?: string;
    readonly oci: string[];
    readonly status: number;
  }[];
}

const TESTDATA = new URL("../../testdata/", import.meta.url);
const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, TESTDATA), "utf8")) as T;
const recorded = read<Recorded>("cfsctl/oci.json");
interface RecordedImage {
  readonly name: string;
  readonly manifest_digest: OciDigest;
  readonly manifest: string;
  readonly config: string;
  readonly layers: readonly { readonly diff_id: OciDigest }[];
  readonly hash: {
    readonly sha256: {
      readonly V1: { readonly images_json: { readonly images: object[] }; readonly inspect_json: object };
    };
  };
}
const { images } = read<{ readonly images: readonly RecordedImage[] }>("oci/vectors.json");
/** In the order in which the reference pulled them. */
const NAMES = ["umoci-go", "index-flat", "artifact"];
const MANIFEST = images.find(({ name }) => name === "umoci-go")?.manifest_digest as OciDigest;
const IMAGE = "8e4541c18bcdd93cbd9299ca1e79253f577ec1c2324e46f86f63b58ea830f5e4";

let directory: string;
let repo: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "cfsctl-oci-"));
  repo = join(directory, "repo");
  initRepository(repo, { hash: "sha256", insecure: true });
  const repository = await Repository.open(repo);
  try {
    for (const name of NAMES) {
      execFileSync("tar", ["-xf", new URL(`oci/layouts/${name}.tar`, TESTDATA).pathname, "-C", directory]);
      const digest = images.find((image) => image.name === name)?.manifest_digest as OciDigest;
      await importImage(repository, layoutSource(repository, join(directory, name), digest), { tag: name });
    }
  } finally {
    await repository.close();
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

async function cfsctl(where: string, ...argv: string[]) {
  const io = fakeIo();
  const status = await runCli(["--repo", where, ...argv], io);
  return { status, stdout: io.stdout.text, stderr: io.stderr.text };
}

async function withCopy<T>(use: (path: string) => Promise<T>): Promise<T> {
  const path = mkdtempSync(join(directory, "copy-"));
  cpSync(repo, path, { recursive: true, verbatimSymlinks: true });
  try {
    return await use(path);
  } finally {
    rmSync(path, { recursive: true });
  }
}

test.each(recorded.outputs.map(({ argv, ...output }) => ({ command: argv.join(" "), argv, ...output })))(
  "$command",
  async ({ argv, stdout, status }) => {
    expect(await cfsctl(repo, ...argv)).toMatchObject({ status, stdout });
  },
);

describe("--json=v2 does without the oddities of --json, which stays as it is (D22)", () => {
  const image = images.find(({ name }) => name === "umoci-go") as (typeof images)[number];
  const { images_json: listed, inspect_json: inspected } = image.hash.sha256.V1;
  const json = async (...argv: string[]): Promise<unknown> => JSON.parse((await cfsctl(repo, ...argv)).stdout);

  test("oci images: a list", async () => {
    const [expected] = listed.images;
    expect((await json("oci", "images", "--json")) as object).toEqual({
      images: expect.arrayContaining([expected]) as unknown,
    });
    const list = (await json("oci", "images", "--json=v2")) as unknown[];
    expect(list).toContainEqual(expected);
    expect(list).toHaveLength(NAMES.length);
  });

  test("oci inspect: documents, not their text", async () => {
    expect(await json("oci", "inspect", "umoci-go")).toEqual(inspected);
    expect(await json("oci", "inspect", "umoci-go", "--json")).toEqual(inspected);
    expect(await json("oci", "inspect", "--json=v2", "umoci-go")).toEqual({
      ...inspected,
      manifest: JSON.parse(image.manifest) as unknown,
      config: JSON.parse(image.config) as unknown,
    });
  });

  test("oci layer: names as everywhere else", async () => {
    const diffId = image.layers[0]?.diff_id as string;
    const before = (await json("oci", "layer", "--json", diffId)) as Record<string, unknown>;
    expect(Object.keys(before)).toEqual(["diffId", "verity", "size", "entryCount", "splitstream"]);
    const snakeCase = (value: unknown): unknown =>
      typeof value !== "object" || value === null
        ? value
        : Object.fromEntries(
            Object.entries(value).map(([key, inner]) => [
              key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
              snakeCase(inner),
            ]),
          );
    expect(await json("oci", "layer", "--json=v2", diffId)).toEqual(snakeCase(before));
    expect(before).toMatchObject({ diffId });
  });

  test.each([["images"], ["streams", "ls"]])("%s: a list", async (...command) => {
    const before = (await json(...command, "--json")) as Record<string, unknown>;
    const [list] = Object.values(before);
    expect(Array.isArray(list)).toBe(true);
    expect(await json(...command, "--json=v2")).toEqual(list);
  });

  test("another version is refused", async () => {
    expect(await cfsctl(repo, "oci", "images", "--json=v3")).toMatchObject({ status: 2, stdout: "" });
  });
});

describe("oci fsck", () => {
  const damages = recorded.damages.map((damage) => ({ ...damage, what: damage.link ?? "removed" }));
  test.each(damages)("$path: $what", async ({ path, link, oci, status }) => {
    await withCopy(async (where) => {
      if (link === undefined) rmSync(join(where, path));
      else symlinkSync(link, join(where, path));
      const found = await cfsctl(where, "oci", "fsck");
      expect(found.status).toBe(status);
      const lines = found.stdout.trimEnd().split("\n");
      expect(lines.slice(lines.findIndex((line) => line.startsWith("oci images")))).toEqual(oci);
      expect(found.stderr).toBe(status === 0 ? "" : "Error: OCI integrity check failed [REPO_CORRUPT]\n");
    });
  });

  // The reference passes over all of these.
  test.each([
    [
      "streams/oci-layer-sha256:dd2ccec916f057e165948c6d34ad3da5063e8d689fe84af1a5f522a52382b3f6",
      "layer-stream-missing",
    ],
    ["objects/fd/307e298618b84dd97fd8504776fd6070e2deeca227190cccb8523c215960fc", "layer-object-missing"],
    [`images/${IMAGE}`, "seal-image-missing"],
    [`objects/${IMAGE.slice(0, 2)}/${IMAGE.slice(2)}`, "seal-image-missing"],
    [`streams/oci-manifest-${MANIFEST}`, "manifest-read-failed"],
  ])("without %s: %s, exit status 1 with --json, too", async (path, kind) => {
    await withCopy(async (where) => {
      rmSync(join(where, path));
      const { status, stdout } = await cfsctl(where, "oci", "fsck", "--json");
      const report = JSON.parse(stdout) as { ok: boolean; images_corrupted: number; errors: string[] };
      expect({ status, ok: report.ok, corrupted: report.images_corrupted }).toEqual({
        status: 1,
        ok: false,
        corrupted: 1,
      });
      expect(report.errors.map((error) => error.split(": ")[1])).toEqual([kind]);
    });
  });

  test("an unknown image counts, exit status 1 in either form", async () => {
    const text = await cfsctl(repo, "oci", "fsck", "nope");
    expect(text.status).toBe(1);
    expect(text.stdout).toContain("oci images: 0/1 ok\noci errors: 1\n  - fsck: ref-resolve-failed: nope: ");
    const json = await cfsctl(repo, "oci", "fsck", "nope", "--json");
    expect(json.status).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      images_checked: 1,
      images_corrupted: 1,
      repo: { ok: true },
    });
  });
});

test.each([
  ["tag", "umoci-go"],
  ["ref", "refs/oci/umoci-go"],
  ["manifest", `@${MANIFEST}`],
  ["manifest without @", MANIFEST],
  ["config", "@sha256:618db4d799a23932d7a17ff3dee8eac233de0193a4f7a7310c0c7881ac7ca65c"],
  ["digits of the manifest", MANIFEST.slice(7, 15)],
  ["EROFS image", IMAGE],
  ["EROFS image with its hash", `sha256:${IMAGE}`],
])("D10: an image by its %s", async (_, name) => {
  expect(await cfsctl(repo, "oci", "compute-id", name)).toMatchObject({ status: 0, stdout: `${IMAGE}\n` });
  expect((await cfsctl(repo, "oci", "inspect", "--manifest", name)).status).toBe(0);
  expect((await cfsctl(repo, "oci", "fsck", name)).status).toBe(0);
});

describe("D10: commands on EROFS images and streams take names of OCI images, too", () => {
  test.each([
    "umoci-go",
    "refs/oci/umoci-go",
    `@${MANIFEST}`,
    MANIFEST,
    MANIFEST.slice(7, 15),
    "@sha256:618db4d799a23932d7a17ff3dee8eac233de0193a4f7a7310c0c7881ac7ca65c",
    `sha256:${IMAGE}`,
    IMAGE.slice(0, 8),
  ])("%s", async (name) => {
    const dump = await cfsctl(repo, "dump-files", IMAGE);
    expect(dump.stdout).toMatch(/^\/ 0 40755 /);
    expect(await cfsctl(repo, "dump-files", name)).toEqual(dump);
    expect(await cfsctl(repo, "image-objects", name)).toEqual(await cfsctl(repo, "image-objects", IMAGE));
    expect(await cfsctl(repo, "gc", "--dry-run", "--root", name)).toMatchObject({ status: 0 });
    expect((await cfsctl(repo, "mount", name, "/nowhere/at/all")).stderr).not.toContain("NOT_FOUND");
  });

  test("streams by what import-layer prints", async () => {
    const { stdout } = await cfsctl(repo, "streams", "ls", "--json");
    const { streams } = JSON.parse(stdout) as { streams: { name: string }[] };
    const entry = streams.find(({ name }) => name.startsWith("oci-config-"))?.name as string;
    const id = readlinkSync(join(repo, "streams", entry))
      .replace("../objects/", "")
      .replace("/", "");
    const expected = await cfsctl(repo, "cat", entry);
    expect(expected.status).toBe(0);
    for (const name of [id, `sha256:${id}`, id.slice(0, 8)]) {
      expect(await cfsctl(repo, "cat", name)).toEqual(expected);
      expect(await cfsctl(repo, "gc", "-n", "-r", name)).toMatchObject({ status: 0 });
    }
    const manifest = await cfsctl(repo, "cat", `oci-manifest-${MANIFEST}`);
    for (const name of ["umoci-go", "refs/oci/umoci-go", `@${MANIFEST}`, MANIFEST.slice(7, 15)]) {
      expect(await cfsctl(repo, "cat", name)).toEqual(manifest);
    }
    for (const name of [id.slice(0, 7), `sha512:${id}`, "nothing", "0".repeat(8)]) {
      expect((await cfsctl(repo, "cat", name)).stderr).toContain("[STREAM_NOT_FOUND]");
    }
  });
});

test("D8: rm drops every tag, gc then the data", async () => {
  await withCopy(async (where) => {
    expect((await cfsctl(where, "oci", "tag", MANIFEST, "a/second")).status).toBe(0);
    expect(await cfsctl(where, "oci", "rm", "umoci-go")).toEqual({
      status: 0,
      stdout: "Removed tag a/second\nRemoved tag umoci-go\n",
      stderr: "",
    });
    const again = await cfsctl(where, "oci", "rm", MANIFEST);
    expect(again).toMatchObject({ status: 1, stdout: "" });
    expect(again.stderr).toContain("[IMAGE_NOT_FOUND]");
    const repository = await Repository.open(where);
    try {
      await repository.gc();
      expect(repository.listStreams()).not.toContain(`oci-manifest-${MANIFEST}`);
    } finally {
      await repository.close();
    }
    expect((await cfsctl(where, "oci", "fsck")).stdout).toContain("oci images: 2/2 ok\n");
  });
});

test("the second argument must fit a digest", async () => {
  const config = "@sha256:618db4d799a23932d7a17ff3dee8eac233de0193a4f7a7310c0c7881ac7ca65c";
  const right = "27f057ea5aa632e6ce97fa28852476649f1694e914d98dadb52cd050ca8db608";
  expect((await cfsctl(repo, "oci", "compute-id", config, right)).stdout).toBe(`${IMAGE}\n`);
  expect((await cfsctl(repo, "oci", "compute-id", config, IMAGE)).stderr).toContain("[IMAGE_NOT_FOUND]");
  expect((await cfsctl(repo, "oci", "compute-id", "umoci-go", IMAGE)).stdout).toBe(`${IMAGE}\n`);
  expect((await cfsctl(repo, "oci", "compute-id", "umoci-go", "zz")).status).toBe(2);
});

test.each([
  [["oci", "mount", "artifact"], "MANIFEST_UNSUPPORTED"],
  [["oci", "mount", "--bootable", "umoci-go"], "IMAGE_NOT_FOUND"],
  [["--erofs-version", "2", "oci", "mount", "umoci-go"], "IMAGE_NOT_FOUND"],
  [["--erofs-version", "0", "oci", "mount", "umoci-go"], "IMAGE_NOT_FOUND"],
])("%j has nothing to mount", async (argv, code) => {
  const { status, stdout, stderr } = await cfsctl(repo, ...argv, directory);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toContain(`[${code}]`);
});

test("D26: a pull of another format keeps the image there is, and both are linked", async () => {
  await withCopy(async (where) => {
    const repository = await Repository.open(where);
    try {
      const source = layoutSource(repository, join(directory, "umoci-go"), MANIFEST);
      await importImage(repository, source, { tag: "umoci-go", erofsVersion: 2 });
    } finally {
      await repository.close();
    }
    const { stdout } = await cfsctl(where, "oci", "linked-erofs-images", IMAGE);
    const second = (await cfsctl(where, "--erofs-version", "2", "oci", "compute-id", "umoci-go")).stdout.trim();
    expect(JSON.parse(stdout)).toEqual([
      { id: IMAGE, bootable: false, version: 1, xattrMode: null },
      { id: second, bootable: false, version: 2, xattrMode: null },
    ]);
  });
});
