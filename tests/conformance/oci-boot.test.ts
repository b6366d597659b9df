import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type ErofsVersion, type HashName, initRepository, type ObjectId, Repository } from "@composefs/core";
import {
  type ImageSource,
  importImage,
  linkedErofsImages,
  type OciDigest,
  parseConfig,
  storeTarLayer,
} from "@composefs/oci";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "../../packages/cfsctl/src/main.ts";
import { fakeIo } from "../../packages/cfsctl/test/fake-io.ts";
import { layoutSource } from "../support/oci-layout.ts";

/** An image pulled by composefs-rs 0.9.4 with `--bootable`; see testdata/README.md. */
interface RecordedImage {
  readonly name: string;
  readonly manifest_digest: OciDigest;
  readonly config_digest: OciDigest;
  readonly hash: Record<HashName, RecordedIds>;
}
interface RecordedIds {
  readonly compute_id: Record<"V0" | "V1" | "V2", { readonly bootable: ObjectId }>;
  readonly V1: { readonly bootable_pull: BootablePull; readonly image_id: ObjectId };
  readonly V2: { readonly bootable_pull: BootablePull; readonly image_id: ObjectId };
}
interface BootablePull {
  readonly rc: number;
  readonly last_line: string;
  readonly boot_image_id: ObjectId;
  readonly config_stream: ObjectId;
  readonly manifest_stream_canonical: ObjectId;
  readonly config_named_refs_order: readonly string[];
  readonly images: readonly ObjectId[];
  readonly inspect_composefs_boot_erofs: ObjectId;
}
/** What the reference's prepare-boot left of an image of one layer. */
interface PreparedCase {
  readonly name: string;
  readonly args: readonly string[];
  readonly format: ErofsVersion;
  readonly manifest: string;
  readonly config: string;
  readonly layer: string;
  readonly error?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly state?: readonly string[];
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const read = <T>(name: string): T => JSON.parse(readFileSync(new URL(name, TESTDATA), "utf8")) as T;
const { images } = read<{ readonly images: readonly RecordedImage[] }>("vectors.json");
const { cases } = read<{ readonly cases: readonly PreparedCase[] }>("prepare-boot.json");
const image = images.find(({ name }) => name === "bootable") as RecordedImage;

let directory: string;
let repo: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "oci-boot-"));
  repo = join(directory, "repo");
});
afterEach(() => rmSync(directory, { recursive: true }));

async function withRepository<T>(use: (repository: Repository) => Promise<T>): Promise<T> {
  const repository = await Repository.open(repo);
  try {
    return await use(repository);
  } finally {
    await repository.close();
  }
}

async function cfsctl(...argv: string[]) {
  const io = fakeIo();
  const status = await runCli(["--repo", repo, ...argv], io);
  return { status, stdout: io.stdout.text, stderr: io.stderr.text };
}

const each = (["sha256", "sha512"] as const).flatMap((hash) => ([1, 2] as const).map((version) => ({ hash, version })));

describe.each(each)("a pull of an image to boot, $hash, format $version", ({ hash, version }) => {
  const { bootable_pull: recorded, image_id } = image.hash[hash][`V${version}`];
  const ids = image.hash[hash].compute_id;

  const source = (repository: Repository) =>
    layoutSource(repository, join(directory, "bootable"), image.manifest_digest);
  beforeEach(() => {
    execFileSync("tar", ["-xf", new URL("layouts/bootable.tar", TESTDATA).pathname, "-C", directory]);
    initRepository(repo, { hash, insecure: true, erofs: { default: version, extra: [] } });
  });

  test.each([
    ["in one go", true],
    ["after one without", false],
  ])("leaves the recorded streams and images, %s", async (_, atOnce) => {
    await withRepository(async (repository) => {
      if (!atOnce) await importImage(repository, source(repository), { tag: "x" });
      const result = await importImage(repository, source(repository), { tag: "x", bootable: true });
      expect(result).toMatchObject({
        configId: recorded.config_stream,
        manifestId: recorded.manifest_stream_canonical,
        imageIds: new Map([[version, image_id]]),
        bootImages: { wanted: new Map([[version, recorded.boot_image_id]]), xattrs: "allowlist-only" },
        changed: true,
      });
      const config = await repository.openStream(`oci-config-${image.config_digest}`);
      expect(new Set(config.namedRefs.keys())).toEqual(new Set(recorded.config_named_refs_order));
      expect(readdirSync(join(repo, "images")).filter((entry) => entry !== "refs")).toEqual(
        [...recorded.images].sort(),
      );
      const again = await importImage(repository, source(repository), { tag: "x", bootable: true });
      expect(again).toMatchObject({ changed: false, configId: recorded.config_stream });
      // A pull without keeps what is there.
      const plain = await importImage(repository, source(repository), { tag: "x" });
      expect(plain).toMatchObject({ changed: false, bootImages: null, configId: recorded.config_stream });
    });
    const { stdout } = await cfsctl("oci", "inspect", "x");
    expect(JSON.parse(stdout)).toMatchObject({
      composefs_erofs: image_id,
      composefs_boot_erofs: recorded.inspect_composefs_boot_erofs,
    });
    expect(JSON.parse((await cfsctl("oci", "linked-erofs-images", recorded.boot_image_id)).stdout)).toEqual([
      { id: image_id, bootable: false, version, xattrMode: null },
      { id: recorded.boot_image_id, bootable: true, version, xattrMode: "allowlist-only" },
    ]);
    expect((await cfsctl("oci", "fsck")).status).toBe(0);
    expect((await cfsctl("oci", "compute-id", "--bootable", "x")).stdout).toBe(`${recorded.boot_image_id}\n`);
    expect((await cfsctl("gc")).status).toBe(0);
    expect(readdirSync(join(repo, "images"))).toContain(recorded.boot_image_id);
  });

  test("keeps its images to boot of other formats, and takes the expected one, whatever its format", async () => {
    await withRepository(async (repository) => {
      for (const other of [2, 1] as const) {
        const expectedBootImage = ids[`V${other}`].bootable;
        const options = { tag: "x", bootable: true, expectedBootImage };
        const result = await importImage(repository, source(repository), options);
        expect(result.bootImages).toMatchObject({
          wanted: new Map([[other, expectedBootImage]]),
          xattrs: "allowlist-only",
        });
        expect(await importImage(repository, source(repository), options)).toMatchObject({ changed: false });
      }
      expect(await linkedErofsImages(repository, image_id)).toEqual([
        { id: image_id, bootable: false, version, xattrMode: null },
        { id: ids.V1.bootable, bootable: true, version: 1, xattrMode: "allowlist-only" },
        { id: ids.V2.bootable, bootable: true, version: 2, xattrMode: "allowlist-only" },
      ]);
      // The default one is there now, so nothing is to be done.
      expect(await importImage(repository, source(repository), { tag: "x", bootable: true })).toMatchObject({
        changed: false,
        bootImages: { wanted: new Map([[version, recorded.boot_image_id]]) },
      });
    });
  });

  test("D27: names nothing when another image was expected", async () => {
    await withRepository(async (repository) => {
      const expectedBootImage = "0".repeat(image_id.length) as ObjectId;
      const pulled = importImage(repository, source(repository), { tag: "x", bootable: true, expectedBootImage });
      await expect(pulled).rejects.toMatchObject({
        code: "BOOT_IMAGE_MISMATCH",
        details: { expected: expectedBootImage, tried: expect.arrayContaining([ids.V1.bootable, ids.V2.bootable]) },
      });
      expect(repository.listStreams()).toEqual([]);
      expect(repository.listRefs("streams")).toEqual([]);
      expect(existsSync(join(repo, "images")) ? readdirSync(join(repo, "images")) : []).toEqual([]);
    });
  });
});

describe("prepare-boot", () => {
  /** Where the reference gives up, or does damage, and we do not. */
  const OURS: Readonly<Record<string, string | readonly string[]>> = {
    "entry-id dup": "BOOT_ENTRY_INVALID",
    "entry-id slash": "BOOT_ENTRY_INVALID",
    "entry-id empty": "BOOT_ENTRY_INVALID",
    "uki deep": ["EFI/Linux/a/b/z.efi"],
    "addon then uki": ["EFI/Linux/b.efi"],
  };

  async function pull({ manifest, config, layer, format }: PreparedCase): Promise<void> {
    initRepository(repo, { hash: "sha256", insecure: true, erofs: { default: format, extra: [] } });
    const tar = gunzipSync(Buffer.from(layer, "base64"));
    const [diffId] = parseConfig(Buffer.from(config)).diffIds as readonly [OciDigest];
    await withRepository((repository) => {
      const source: ImageSource = {
        manifest: Buffer.from(manifest),
        config: Buffer.from(config),
        layers: [{ diffId, bytes: null, store: () => storeTarLayer(repository, diffId, one(tar)) }],
      };
      return importImage(repository, source, { tag: "x" });
    });
  }

  test.each(cases)("$name", async (it) => {
    await pull(it);
    const boot = join(directory, "bootdir");
    const { status, stdout, stderr } = await cfsctl("oci", "prepare-boot", "x", "--bootdir", boot, ...it.args);
    expect(stdout).toBe("");
    const own = OURS[it.name];
    if (own !== undefined && typeof own !== "string") return expect(Object.keys(filesIn(boot))).toEqual(own);
    if (it.error !== undefined || own !== undefined) {
      expect(status).toBe(1);
      expect(stderr).toMatch(/\[(BOOT_ENTRY_INVALID|BOOT_IMAGE_MISMATCH|TREE_INVALID)\]/);
      expect(filesIn(boot)).toEqual({});
      return;
    }
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(filesIn(boot)).toEqual(it.files);
    const state = readdirSync(join(directory, "state"), { recursive: true }) as string[];
    expect(state.map((path) => `state/${path}`).sort()).toEqual(it.state);
    // The image that is booted must outlive a collection, which the reference's does not.
    expect((await cfsctl("gc")).status).toBe(0);
    const [id] = readdirSync(join(directory, "state/deploy"));
    expect(readdirSync(join(repo, "images"))).toContain(id);
  });

  test("is there of every kind", () => {
    expect(cases.filter(({ files }) => files !== undefined).length).toBeGreaterThan(40);
    expect(cases.filter(({ error }) => error !== undefined).length).toBeGreaterThan(30);
  });

  test("of a format that is not the only one, the argument has the id of its own format", async () => {
    const it = cases.find(({ name }) => name === "plain") as PreparedCase;
    await pull(it);
    const ids: Record<number, string> = {};
    for (const version of [1, 2]) {
      const { stdout } = await cfsctl("--erofs-version", `${version}`, "oci", "compute-id", "--bootable", "x");
      ids[version] = stdout.trim();
    }
    for (const [version, argument] of [
      [1, `composefs.digest=?v1-sha256-12:${ids[1]}`],
      [2, `composefs=?${ids[2]}`],
    ] as const) {
      const boot = join(directory, `boot${version}`);
      const argv = ["--erofs-version", `${version}`, "oci", "prepare-boot", "x", "--bootdir", boot];
      expect((await cfsctl(...argv)).status).toBe(0);
      expect(readFileSync(join(boot, "loader/entries/a.conf"), "utf8")).toContain(` ${argument}\n`);
    }
  });
});

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Entries as text with a character per byte, other files as their sha256; so are their names. */
function filesIn(path: string): Record<string, string> {
  mkdirSync(path, { recursive: true });
  const files = readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) =>
    statSync(join(path, name)).isFile(),
  );
  return Object.fromEntries(
    files.map((name) => {
      const bytes = readFileSync(join(path, name));
      const content = name.endsWith(".conf")
        ? bytes.toString("latin1")
        : createHash("sha256").update(bytes).digest("hex");
      return [Buffer.from(name).toString("latin1"), content];
    }),
  );
}
