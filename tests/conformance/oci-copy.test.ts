import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HashName, initRepository, Repository } from "@composefs/core";
import { copyImage, importImage, type OciDigest } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutSource } from "../support/oci-layout.ts";
import { objects, streamLinks } from "../support/repo-state.ts";

/** One image pulled by composefs-rs 0.9.4; see testdata/README.md. */
interface RecordedImage {
  readonly name: string;
  readonly manifest_digest: OciDigest;
  readonly config_digest: OciDigest;
  readonly hash: Record<HashName, RecordedStreams>;
}
interface RecordedStreams {
  readonly config_object: string;
  readonly manifest_object: string;
  readonly layers: Record<OciDigest, { readonly stream: string; readonly object_refs: readonly string[] }>;
  readonly V1: { readonly config_stream: string; readonly manifest_stream_canonical: string };
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly RecordedImage[];
};
const WAYS: readonly (readonly [HashName, HashName])[] = [
  ["sha256", "sha256"],
  ["sha256", "sha512"],
  ["sha512", "sha256"],
  ["sha512", "sha512"],
];

describe.each(WAYS)("%s to %s", (from, to) => {
  let directory: string;
  let source: Repository;
  let destination: Repository;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "oci-copy-"));
    const open = (name: string, hash: HashName): Promise<Repository> => {
      initRepository(join(directory, name), { hash, insecure: true });
      return Repository.open(join(directory, name));
    };
    source = await open("source", from);
    destination = await open("destination", to);
    for (const { name, manifest_digest } of images) {
      execFileSync("tar", ["-xf", new URL(`layouts/${name}.tar`, TESTDATA).pathname, "-C", directory]);
      const layout = layoutSource(source, join(directory, name), manifest_digest);
      await importImage(source, layout, { tag: name, compatWhiteouts: true });
    }
  });
  afterAll(async () => {
    await source.close();
    await destination.close();
    rmSync(directory, { recursive: true });
  });

  test.each(images)("$name has the recorded ids", async ({ name, manifest_digest, config_digest, hash }) => {
    const expected = hash[to];
    expect(await copyImage(destination, source, name, { compatWhiteouts: true })).toMatchObject({
      manifestDigest: manifest_digest,
      configDigest: config_digest,
      configId: expected.V1.config_stream,
      manifestId: expected.V1.manifest_stream_canonical,
      tag: name,
      changed: true,
    });
    for (const [diffId, layer] of Object.entries(expected.layers)) {
      const { id, objectRefs } = await destination.openStream(`oci-layer-${diffId}`);
      expect({ stream: id, object_refs: objectRefs }).toEqual({ stream: layer.stream, object_refs: layer.object_refs });
    }
    const again = await copyImage(destination, source, name);
    expect(again).toMatchObject({ changed: false, manifestId: expected.V1.manifest_stream_canonical });
  });

  test("the repository is sound, and for the same hash the same", async () => {
    expect(await destination.fsck()).toMatchObject({ ok: true, findings: [] });
    if (from !== to) return;
    expect(streamLinks(destination.path)).toEqual(streamLinks(source.path));
    const relative = ({ path }: Repository) => objects(path).map((object) => object.path.slice(path.length));
    expect(relative(destination)).toEqual(relative(source));
  });
});
