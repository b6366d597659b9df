import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, expect, test, vi } from "vitest";
import type { BlobSource, Candidate } from "../../src/source/blob-source.ts";
import { openDockerArchive } from "../../src/source/docker-archive-source.ts";
import { ociError } from "../code-of.ts";
import { oneFile } from "../fake-image.ts";
import { type Entry, sha256, tar } from "../tar-builder.ts";
import { removeDirectories, tempDirectory } from "../temp-directory.ts";

afterEach(removeDirectories);

const TAR = oneFile();
const DIFF_ID = sha256(TAR);
const CONFIG = Buffer.from(
  JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [DIFF_ID] } }),
);
const CONFIG_HEX = sha256(CONFIG).slice(7);
/** Written by hand from oci.md §11.5. */
const MANIFEST =
  `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":` +
  `"application/vnd.oci.image.config.v1+json","digest":"sha256:${CONFIG_HEX}","size":${CONFIG.length}},"layers":[{` +
  `"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"${DIFF_ID}","size":${TAR.length}}]}`;

const image = (config: string, layer: string, tags: readonly string[] | null = ["app:1"]) => ({
  Config: config,
  RepoTags: tags,
  Layers: [layer],
});
const list = (...images: readonly object[]): Entry => ({
  name: "manifest.json",
  content: Buffer.from(JSON.stringify(images)),
});
const config = (name: string): Entry => ({ name, content: CONFIG });
const layer = (name: string): Entry => ({ name, content: TAR });

/** Forms that docker, podman and skopeo have written. */
const FORMS: Readonly<Record<string, readonly Entry[]>> = {
  "a directory for each layer": [
    config(`${CONFIG_HEX}.json`),
    { name: "aa/", type: "5" },
    layer("aa/layer.tar"),
    list(image(`${CONFIG_HEX}.json`, "aa/layer.tar")),
  ],
  "symbolic links to layers": [
    layer("bb.tar"),
    { name: "aa/layer.tar", type: "2", link: "../bb.tar" },
    config(`${CONFIG_HEX}.json`),
    list(image(`${CONFIG_HEX}.json`, "aa/layer.tar")),
  ],
  "hard links to layers": [
    layer("bb/layer.tar"),
    { name: "aa/layer.tar", type: "1", link: "bb/layer.tar" },
    config(`${CONFIG_HEX}.json`),
    list(image(`${CONFIG_HEX}.json`, "aa/layer.tar")),
  ],
  "a layout beside it": [
    layer(`blobs/sha256/${DIFF_ID.slice(7)}`),
    config(`blobs/sha256/${CONFIG_HEX}`),
    { name: "index.json", content: Buffer.from("{}") },
    list(image(`blobs/sha256/${CONFIG_HEX}`, `blobs/sha256/${DIFF_ID.slice(7)}`)),
  ],
  "compressed layers": [
    { name: "l.tar.gz", content: gzipSync(TAR) },
    config("config.json"),
    list(image("config.json", "l.tar.gz")),
  ],
  "no tags, paths with dots": [config("./c"), layer("./l"), list(image("c", "l", null))],
};

async function open(entries: readonly Entry[], name = ""): Promise<BlobSource> {
  const directory = tempDirectory({ "x.tar": tar(entries) });
  return openDockerArchive("docker-archive:x", `${join(directory, "x.tar")}${name}`);
}

async function withArchive<T>(
  entries: readonly Entry[],
  name: string,
  use: (source: BlobSource) => Promise<T>,
): Promise<T> {
  const source = await open(entries, name);
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

async function bytesOf(source: BlobSource, mediaType: string, digest: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source.readBlob({ mediaType, digest: digest as never, size: 0 })) pieces.push(piece);
  return Buffer.concat(pieces);
}

test.each(Object.entries(FORMS))("%s", async (_, entries) => {
  await withArchive(entries, "", async (source) => {
    const [only, ...others] = await source.candidates();
    expect(others).toEqual([]);
    const manifest = Buffer.from(await source.readManifest(only as Candidate));
    expect(manifest.toString()).toBe(MANIFEST);
    expect(only).toMatchObject({ digest: sha256(MANIFEST), size: MANIFEST.length, platform: null });
    expect(await bytesOf(source, "application/vnd.oci.image.layer.v1.tar", DIFF_ID)).toEqual(TAR);
    expect(await bytesOf(source, "application/vnd.oci.image.config.v1+json", `sha256:${CONFIG_HEX}`)).toEqual(CONFIG);
  });
});

const SEVERAL: readonly Entry[] = [
  config("c"),
  layer("l"),
  list(
    image("c", "l", ["localhost/a:1", "docker.io/library/b:latest"]),
    image("nope", "l", null),
    image("c", "l", ["host:5/c:2"]),
  ),
];

test.each([":localhost/a:1", ":b", ":b:latest", ":docker.io/b", ":library/b", ":@0", ":@2", ":host:5/c:2"])(
  "one of several by %s",
  async (name) => {
    await withArchive(SEVERAL, name, async (source) => expect(await source.candidates()).toHaveLength(1));
  },
);

test.each(["", ":a", ":a:1", ":b:2", ":@3", ":@x", ":"])(
  "SOURCE_NOT_FOUND lists what there is for '%s'",
  async (name) => {
    await withArchive(SEVERAL, name, async (source) => {
      await expect(source.candidates()).rejects.toMatchObject(
        ociError("SOURCE_NOT_FOUND", { available: ["localhost/a:1", "@1", "host:5/c:2"] }),
      );
    });
  },
);

test.each<[string, string, readonly Entry[]]>([
  ["SOURCE_INVALID", "no manifest.json", [config("c")]],
  ["SOURCE_INVALID", "an empty list", [list()]],
  ["MANIFEST_INVALID", "no list", [{ name: "manifest.json", content: Buffer.from("{}") }]],
  ["MANIFEST_INVALID", "no JSON", [{ name: "manifest.json", content: Buffer.from("[") }]],
  ["MANIFEST_INVALID", "an image without config", [list({ Layers: [] })]],
  ["SOURCE_NOT_FOUND", "a config that is not there", [list(image("c", "l")), layer("l")]],
  ["SOURCE_NOT_FOUND", "a layer that is not there", [list(image("c", "l")), config("c")]],
  ["SOURCE_INVALID", "a layer that is a directory", [list(image("c", "l")), config("c"), { name: "l/", type: "5" }]],
  ["SOURCE_INVALID", "links in a circle", [list(image("c", "l")), config("c"), { name: "l", type: "2", link: "l" }]],
  [
    "LAYER_COUNT_MISMATCH",
    "more diff_ids than layers",
    [list({ ...image("c", "l"), Layers: [] }), config("c"), layer("l")],
  ],
  [
    "BLOB_DIGEST_MISMATCH",
    "a config of another digest",
    [list(image(`${"0".repeat(64)}.json`, "l")), config(`${"0".repeat(64)}.json`), layer("l")],
  ],
  [
    "LAYER_CORRUPT",
    "a damaged compressed layer",
    [list(image("c", "l")), config("c"), { name: "l", content: gzipSync(TAR).subarray(0, 100) }],
  ],
])("%s: %s", async (code, _, entries) => {
  await withArchive(entries, "", (source) => expect(source.candidates()).rejects.toMatchObject({ code }));
});

test("SOURCE_NOT_FOUND: no such file; SOURCE_INVALID: no tar", async () => {
  const directory = tempDirectory({ text: "this is no tar at all ".repeat(100) });
  const at = (name: string) => openDockerArchive("docker-archive:x", join(directory, name));
  await expect(at("nope")).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  await expect(at("text")).rejects.toMatchObject({ code: "SOURCE_INVALID" });
  await expect(at("")).rejects.toMatchObject({ code: "SOURCE_INVALID" });
});

test("a compressed layer that is listed often is measured once", async () => {
  const often = Array.from({ length: 500 }, () => DIFF_ID);
  const many = Buffer.from(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: often } }),
  );
  const path = join(
    tempDirectory({
      "a.tar": tar([
        { name: "c.json", content: many },
        { name: "l.tar", content: gzipSync(TAR) },
        list({ Config: "c.json", RepoTags: null, Layers: often.map(() => "l.tar") }),
      ]),
    }),
    "a.tar",
  );
  const measure = vi.spyOn(await import("node:zlib").then(({ default: zlib }) => zlib.Gunzip.prototype), "_transform");
  const source = await openDockerArchive("docker-archive:x", path);
  const [candidate] = await source.candidates();
  expect(JSON.parse(Buffer.from(await source.readManifest(candidate as Candidate)).toString()).layers[499].size).toBe(
    TAR.length,
  );
  expect(measure.mock.calls.length).toBeLessThan(10);
  await source.close();
});
