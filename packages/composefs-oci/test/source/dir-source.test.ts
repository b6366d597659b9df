import { afterEach, expect, test } from "vitest";
import type { Candidate } from "../../src/source/blob-source.ts";
import { openDir } from "../../src/source/dir-source.ts";
import { sha256 } from "../tar-builder.ts";
import { removeDirectories, tempDirectory } from "../temp-directory.ts";

afterEach(removeDirectories);

const VERSION = "Directory Transport Version: 1.1\n";

test.each([
  [{ schemaVersion: 2, config: {}, layers: [] }, "application/vnd.oci.image.manifest.v1+json"],
  [{ schemaVersion: 2, manifests: [] }, "application/vnd.oci.image.index.v1+json"],
  [{ schemaVersion: 1, fsLayers: [] }, "application/vnd.docker.distribution.manifest.v1+json"],
  [{ schemaVersion: 2, mediaType: "text/x" }, "text/x"],
])("%j is of the type %s", async (manifest, mediaType) => {
  const text = JSON.stringify(manifest);
  const source = await openDir("dir:x", tempDirectory({ "manifest.json": text, version: VERSION }));
  expect(await source.candidates()).toEqual([{ mediaType, digest: sha256(text), size: text.length, platform: null }]);
  await source.close();
});

test("manifests that an index lists lie beside it", async () => {
  const [index, manifest] = ['{"manifests":[]}', '{"config":{}}'];
  const name = `${sha256(manifest).slice(7)}.manifest.json`;
  const source = await openDir("dir:x", tempDirectory({ "manifest.json": index, [name]: manifest }));
  const read = async (digest: string) => source.readManifest({ mediaType: "", digest: digest as never, size: 100 });
  expect(Buffer.from(await read(sha256(index))).toString()).toBe(index);
  expect(Buffer.from(await read(sha256(manifest))).toString()).toBe(manifest);
  await expect(read(sha256("other"))).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
  const blob = source.readBlob((await source.candidates())[0] as Candidate);
  await expect(blob[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
});

test.each(["Directory Transport Version: 2.0\n", "", "x"])("SOURCE_INVALID: version %j", async (version) => {
  await expect(openDir("dir:x", tempDirectory({ version }))).rejects.toMatchObject({ code: "SOURCE_INVALID" });
});

test("SOURCE_NOT_FOUND: no manifest.json", async () => {
  const source = await openDir("dir:x", tempDirectory());
  await expect(source.candidates()).rejects.toMatchObject({ code: "SOURCE_NOT_FOUND" });
});
