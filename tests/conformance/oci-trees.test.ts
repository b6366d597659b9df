import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  buildImage,
  type ErofsVersion,
  type HashName,
  imageId,
  initRepository,
  Repository,
  writeDumpfile,
  type XattrMode,
} from "@composefs/core";
import { imageTree, importImage, layerDumpfile, type OciDigest, openImage } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutSource } from "../support/oci-layout.ts";

/** One image pulled by composefs-rs 0.9.4, and what it makes of it; see testdata/README.md. */
interface RecordedImage {
  readonly name: string;
  readonly manifest_digest: OciDigest;
  readonly config_digest: OciDigest;
  readonly layers: readonly { readonly diff_id: OciDigest }[];
  readonly hash: Record<HashName, RecordedIds>;
}
interface RecordedIds {
  readonly compute_id: Record<"V0" | "V1" | "V2", Record<ComputedId, unknown>>;
  readonly V1: RecordedPull;
  readonly V2: RecordedPull;
}
type ComputedId = "plain" | "keep_user_xattrs" | "bootable" | "bootable_keep_user_xattrs";
interface RecordedPull {
  readonly config_stream: string;
  readonly config_named_refs_order: readonly string[];
  readonly manifest_stream_canonical: string;
  readonly image_id: string;
  readonly objects_without_final_manifest: readonly string[];
  readonly streams: readonly string[];
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly RecordedImage[];
};
const HASHES: readonly HashName[] = ["sha256", "sha512"];
const VERSIONS: readonly ErofsVersion[] = [0, 1, 2];
const containers = images.filter(({ name }) => name !== "artifact");

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "oci-trees-"));
  for (const { name } of images) {
    execFileSync("tar", ["-xf", new URL(`layouts/${name}.tar`, TESTDATA).pathname, "-C", directory]);
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

async function withPulled<T>(
  { name, manifest_digest }: RecordedImage,
  hash: HashName,
  version: ErofsVersion,
  use: (repository: Repository, result: Awaited<ReturnType<typeof importImage>>, path: string) => Promise<T>,
): Promise<T> {
  const path = mkdtempSync(join(directory, "repo-"));
  initRepository(path, { hash, insecure: true, erofs: { default: version, extra: [] } });
  const repository = await Repository.open(path);
  try {
    const source = layoutSource(repository, join(directory, name), manifest_digest);
    return await use(repository, await importImage(repository, source, { tag: name, compatWhiteouts: true }), path);
  } finally {
    await repository.close();
    rmSync(path, { recursive: true });
  }
}

function dump(name: string, hash: HashName): string {
  return readFileSync(new URL(`expected/${name}.${hash}.dump`, TESTDATA), "latin1");
}

const each = containers.flatMap((image) => HASHES.map((hash) => ({ name: image.name, hash, image })));

describe.each(each)("$name, $hash", ({ name, hash, image }) => {
  const expected = image.hash[hash];

  test("trees and image ids are the recorded ones", async () => {
    await withPulled(image, hash, 1, async (repository) => {
      const opened = await openImage(repository, name);
      for (const [xattrs, key, suffix] of [
        ["allowlist-only", "plain", ""],
        ["keep-user-xattrs", "keep_user_xattrs", ".keepuser"],
      ] as const satisfies readonly [XattrMode, string, string][]) {
        const tree = await imageTree(repository, opened, { xattrs, compatWhiteouts: true });
        expect([...writeDumpfile(tree, { losses: "write" })].join("")).toBe(dump(`${name}${suffix}`, hash));
        for (const version of VERSIONS) {
          const id = imageId(buildImage(tree, { version, hash }), hash);
          expect(id, `V${version} ${key}`).toBe(expected.compute_id[`V${version}`][key]);
        }
      }
    });
  });

  test("our own reading of whiteouts keeps what a layer itself brings", async () => {
    await withPulled(image, hash, 1, async (repository) => {
      const tree = await imageTree(repository, await openImage(repository, name));
      const lines = [...writeDumpfile(tree, { losses: "write" })].join("").split("\n");
      // Here an opaque marker stands after a file of its own layer; nowhere else does the order matter.
      const own = lines.filter((line) => line.startsWith("/var/log/same-layer "));
      expect(own).toHaveLength(name === "gnu-whiteouts" ? 1 : 0);
      expect(lines.filter((line) => !own.includes(line)).join("\n")).toBe(dump(name, hash));
    });
  });

  test("layers are dumped as recorded", async () => {
    const dumped = new Set<string>();
    await withPulled(image, hash, 1, async (repository) => {
      for (const [i, { diff_id }] of image.layers.entries()) {
        const file = `${name}.layer${i}.${hash}.dump`;
        if (!readdirSync(new URL("expected/", TESTDATA)).includes(file)) continue;
        let text = "";
        for await (const line of layerDumpfile(repository, diff_id)) text += line;
        expect(text, file).toBe(dump(`${name}.layer${i}`, hash));
        dumped.add(diff_id);
      }
    });
    expect(dumped).toEqual(new Set(image.layers.map(({ diff_id }) => diff_id)));
  });

  test.each([1, 2] as const)("a pull of format %i leaves the recorded repository", async (version) => {
    const recorded = expected[`V${version}`];
    await withPulled(image, hash, version, async (repository, result, path) => {
      expect(result).toMatchObject({
        configId: recorded.config_stream,
        manifestId: recorded.manifest_stream_canonical,
        imageIds: new Map([[version, recorded.image_id]]),
        changed: true,
      });
      const config = await repository.openStream(`oci-config-${image.config_digest}`);
      expect(new Set(config.namedRefs.keys())).toEqual(new Set(recorded.config_named_refs_order));
      expect(repository.listStreams()).toEqual(recorded.streams);
      expect(readdirSync(join(path, "images")).filter((entry) => entry !== "refs")).toEqual([recorded.image_id]);
      expect(objectIds(path)).toEqual(
        [...recorded.objects_without_final_manifest, recorded.manifest_stream_canonical].sort(),
      );
    });
  });

  test("a pull of format 0 links its image as format 1 would", async () => {
    await withPulled(image, hash, 0, async (repository, result) => {
      expect(result.imageIds).toEqual(new Map([[0, expected.compute_id.V0.plain]]));
      const { configRefs } = await openImage(repository, name);
      expect(configRefs.get("composefs.image.v1")).toBe(expected.compute_id.V0.plain);
    });
  });

  test("trees to boot have the recorded ids, and there is none where the reference makes none", async () => {
    await withPulled(image, hash, 1, async (repository) => {
      const opened = await openImage(repository, name);
      for (const [xattrs, key] of [
        ["allowlist-only", "bootable"],
        ["keep-user-xattrs", "bootable_keep_user_xattrs"],
      ] as const satisfies readonly [XattrMode, string][]) {
        const boot = imageTree(repository, opened, { xattrs, bootable: true, compatWhiteouts: true });
        const ids = VERSIONS.map((version) => expected.compute_id[`V${version}`][key]);
        if (name !== "bootable") {
          // No other image has a /boot.
          expect(ids.map((id) => (id as { rc?: number }).rc)).toEqual([1, 1, 1]);
          await expect(boot).rejects.toMatchObject({ code: "TREE_INVALID" });
          continue;
        }
        const tree = await boot;
        expect(VERSIONS.map((version) => imageId(buildImage(tree, { version, hash }), hash))).toEqual(ids);
        if (xattrs === "allowlist-only") {
          expect([...writeDumpfile(tree, { losses: "write" })].join("")).toBe(dump(`${name}.boot`, hash));
        }
      }
    });
  });
});

test.each(HASHES)("an artifact gets no image, %s", async (hash) => {
  const artifact = images.find(({ name }) => name === "artifact") as RecordedImage;
  const { V1: recorded } = artifact.hash[hash];
  await withPulled(artifact, hash, 1, async (repository, result, path) => {
    expect(result).toMatchObject({ configId: recorded.config_stream, imageIds: new Map() });
    expect(objectIds(path)).toEqual([...recorded.objects_without_final_manifest].sort());
    await expect(imageTree(repository, await openImage(repository, "artifact"))).rejects.toMatchObject({
      code: "MANIFEST_UNSUPPORTED",
    });
  });
});

function objectIds(path: string): string[] {
  const ids: string[] = [];
  for (const first of readdirSync(join(path, "objects"))) {
    for (const rest of readdirSync(join(path, "objects", first))) ids.push(`${first}${rest}`);
  }
  return ids.sort();
}
