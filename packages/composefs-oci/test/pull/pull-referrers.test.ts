import type { Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseDigest } from "../../src/digest.ts";
import { OciError } from "../../src/errors.ts";
import { openImage } from "../../src/image/image.ts";
import type { Descriptor } from "../../src/image/manifest.ts";
import { imageOfReferrer } from "../../src/image/referrers.ts";
import { removeImage } from "../../src/image/remove-image.ts";
import type { ProgressEvent } from "../../src/progress.ts";
import { pullFromSource } from "../../src/pull/source-pull.ts";
import type { BlobSource } from "../../src/source/blob-source.ts";
import { ociError } from "../code-of.ts";
import { oneFile } from "../fake-image.ts";
import { MemorySource } from "../memory-source.ts";
import { sha256 } from "../tar-builder.ts";
import { names, removeRepositories, state, tempRepository } from "../temp-repository.ts";

const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

let repository: Repository;
let source: MemorySource & { readReferrers: NonNullable<BlobSource["readReferrers"]> };
/** What the source lists as being about a manifest. */
let listed: Map<string, Descriptor[]>;
let image: Descriptor;
beforeEach(async () => {
  repository = await tempRepository();
  listed = new Map();
  source = Object.assign(new MemorySource(), {
    readReferrers: async ({ digest }: Descriptor) =>
      (listed.get(digest) ?? []).map((entry) => ({ ...entry, platform: null })),
  });
  const blob = oneFile();
  image = source.image([{ blob, diffId: sha256(blob) }]);
  source.add(image);
});
afterEach(removeRepositories);

/** An artifact that the source lists as being about `under`. */
function artifact(
  content: string,
  subject: Descriptor | null,
  under: Descriptor | null = subject,
  changes = {},
): Descriptor {
  const manifest = source.artifact(content, subject, changes);
  if (under !== null) listed.set(under.digest, [...(listed.get(under.digest) ?? []), manifest]);
  return manifest;
}

/** Notes of a pull with referrers, and its result. */
async function pullAll() {
  const notes: string[] = [];
  const onProgress = (event: ProgressEvent): void => {
    if (event.type === "note") notes.push(event.text);
  };
  const result = await pullFromSource(repository, source, { tag: "x", referrers: true, onProgress });
  return { ...result, notes };
}

test("artifacts about the image and about each other come along, each once", async () => {
  const signature = artifact("a signature", image);
  const sbom = artifact("an SBOM", image);
  const ofSbom = artifact("the SBOM's signature", sbom);
  listed.get(image.digest)?.push(signature);
  listed.set(ofSbom.digest, [sbom]);
  expect(await pullAll()).toMatchObject({
    manifestDigest: image.digest,
    changed: true,
    referrers: [signature.digest, sbom.digest, ofSbom.digest],
  });
  expect((await openImage(repository, "x")).referrers).toEqual([signature.digest, sbom.digest].sort());
  expect((await openImage(repository, sbom.digest)).referrers).toEqual([ofSbom.digest]);
  expect(source.read.filter((digest) => digest === sbom.digest)).toHaveLength(1);
  await repository.gc();
  expect(await repository.fsck()).toMatchObject({ ok: true });
  expect(Buffer.from((await openImage(repository, ofSbom.digest)).manifestBytes)).toEqual(
    source.blobs.get(ofSbom.digest),
  );
});

test("a second pull reads none of them again and changes nothing; a new one is all that comes", async () => {
  artifact("a signature", image);
  await pullAll();
  const before = state(repository);
  source.read.length = 0;
  expect(await pullAll()).toMatchObject({ changed: false, referrers: [expect.any(String)] });
  expect(source.read).toEqual([]);
  expect(state(repository)).toEqual(before);
  const fresh = artifact("another one", image);
  expect(await pullAll()).toMatchObject({ changed: true, referrers: [expect.any(String), fresh.digest] });
});

test("none is asked for unless wanted, and a source that knows of none has none", async () => {
  artifact("a signature", image);
  const { readReferrers } = source;
  source.readReferrers = () => Promise.reject(new Error("asked for"));
  expect(await pullFromSource(repository, source, { tag: "x" })).toMatchObject({ referrers: [] });
  Object.assign(source, { readReferrers: undefined });
  expect(await pullAll()).toMatchObject({ referrers: [], notes: [] });
  source.readReferrers = readReferrers;
  expect((await pullAll()).referrers).toHaveLength(1);
});

describe("what is listed, but not to be taken, is told of", () => {
  test.each([
    ["about another image", () => artifact("x", { ...image, digest: sha256("other") }, image), "it is about sha256:"],
    ["about nothing", () => artifact("x", null, image), "it is about nothing"],
    [
      "gone",
      () => {
        const gone = artifact("x", image);
        source.readManifest = async ({ digest }) => {
          if (digest !== gone.digest) return source.blobs.get(digest) as Uint8Array;
          throw new OciError("SOURCE_NOT_FOUND", "gone");
        };
        return gone;
      },
      "it is listed, but not there",
    ],
    [
      "a difference to another image",
      () => artifact("x", image, image, { artifactType: "application/vnd.io.github.containers.oci-delta.v1" }),
      "it is no artifact, but the difference to another image",
    ],
    [
      "no manifest",
      () => {
        const index = source.index([]);
        listed.set(image.digest, [index]);
        return index;
      },
      "it is of the type 'application/vnd.oci.image.index.v1+json'",
    ],
  ])("%s", async (_, list, why) => {
    const { digest } = list();
    const sound = artifact("a signature", image);
    const { referrers, notes } = await pullAll();
    expect(referrers).toEqual([sound.digest]);
    expect(notes).toEqual([expect.stringContaining(`artifact ${digest} is left out: ${why}`)]);
  });
});

test("MANIFEST_UNSUPPORTED for more than a thousand, before any is read; the image is there", async () => {
  artifact("a signature", image);
  const [one] = listed.get(image.digest) as [Descriptor];
  const list = (digests: readonly string[]) => {
    const entries = digests.map((digest) => ({ ...one, digest: parseDigest(digest, "here") }));
    listed.set(image.digest, entries);
  };
  list(Array.from({ length: 1001 }, () => one.digest));
  expect(await pullAll()).toMatchObject({ referrers: [one.digest] });
  source.read.length = 0;
  list(Array.from({ length: 1001 }, (_, i) => sha256(`${i}`)));
  await expect(pullAll()).rejects.toMatchObject(
    ociError("MANIFEST_UNSUPPORTED", { limit: 1000, manifestDigest: image.digest, source: "memory:image" }),
  );
  expect(source.read).toEqual([]);
  expect((await openImage(repository, "x")).manifestDigest).toBe(image.digest);
});

test("BLOB_DIGEST_MISMATCH for a wrong byte in one of them says which; another pull goes on", async () => {
  const good = artifact("a signature", image);
  const bad = artifact("an SBOM", image);
  const blob = sha256("an SBOM");
  source.blobs.set(blob, Buffer.from("an sbom"));
  await expect(pullAll()).rejects.toMatchObject(
    ociError("BLOB_DIGEST_MISMATCH", { expected: blob, referrer: bad.digest, source: "memory:image" }),
  );
  expect((await openImage(repository, "x")).referrers).toEqual([good.digest]);
  expect(await repository.fsck()).toMatchObject({ ok: true });
  source.blobs.set(blob, Buffer.from("an SBOM"));
  expect(await pullAll()).toMatchObject({ changed: true, referrers: [good.digest, bad.digest] });
});

test("MANIFEST_INVALID for one that is listed as a manifest, and is none", async () => {
  const bad = source.put("{}", MANIFEST_TYPE);
  listed.set(image.digest, [bad]);
  await expect(pullAll()).rejects.toMatchObject({
    ...ociError("MANIFEST_INVALID", { referrer: bad.digest, source: "memory:image" }),
    hint: expect.stringContaining("the image itself is there"),
  });
});

test("artifacts go with their image, and those about them; one with a tag stays", async () => {
  const signature = artifact("a signature", image);
  const sbom = artifact("an SBOM", image);
  const ofSbom = artifact("the SBOM's signature", sbom);
  const ofSignature = artifact("the signature's signature", signature);
  await pullAll();
  source.entries.length = 0;
  source.add(sbom);
  await pullFromSource(repository, source, { tag: "sbom" });
  const manifests = () => repository.listStreams().filter((name) => name.startsWith("oci-manifest-"));
  const named = (...of: Descriptor[]) => of.map(({ digest }) => `oci-manifest-${digest}`).sort();
  await repository.gc({ dependsOn: imageOfReferrer });
  expect(manifests()).toEqual(named(image, signature, sbom, ofSbom, ofSignature));
  await removeImage(repository, "x");
  await repository.gc({ dependsOn: imageOfReferrer, dryRun: true });
  await repository.gc();
  expect(manifests()).toEqual(named(signature, sbom, ofSbom, ofSignature));
  await repository.gc({ dependsOn: imageOfReferrer });
  expect(manifests()).toEqual(named(sbom, ofSbom));
  expect((await openImage(repository, "sbom")).referrers).toEqual([ofSbom.digest]);
  expect(Object.keys(names(repository)).filter((name) => name.includes(signature.digest))).toEqual([]);
  expect(await repository.fsck()).toMatchObject({ ok: true });
});

test.each([
  ["oci/app", null],
  ["oci-referrers/sha256:x/sha256:y", null],
  [`oci-referrers/${sha256("a")}`, null],
  [`oci-referrers/${sha256("a")}/${sha256("b")}/c`, null],
  [`oci-referrers/${sha256("a")}/${sha256("b")}`, `oci-manifest-${sha256("a")}`],
])("the ref %s depends on %s", (ref, entry) => {
  expect(imageOfReferrer(ref)).toBe(entry);
});
