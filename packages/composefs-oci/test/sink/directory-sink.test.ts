import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import type { Descriptor } from "../../src/image/manifest.ts";
import { openLayoutSink } from "../../src/sink/layout-sink.ts";
import { ociError } from "../code-of.ts";
import { chunked, noise, sha256 } from "../tar-builder.ts";

let base: string;
let layout: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "directory-sink-"));
  layout = join(base, "layout");
});
afterEach(() => rmSync(base, { recursive: true }));

const MANIFEST = Buffer.from('{"schemaVersion":2,"config":{"mediaType":"x/y"},"layers":[]}');
const DESCRIPTOR: Descriptor = {
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  digest: sha256(MANIFEST),
  size: MANIFEST.length,
};
const blobFile = (digest: OciDigest): string => join(layout, "blobs", ...digest.split(":"));
const fact = (bytes: Uint8Array) => ({ digest: sha256(bytes), size: bytes.length });
const read = (name: string): string => readFileSync(join(layout, name), "utf8");
const files = (): string[] => readdirSync(layout, { recursive: true }).map(String).sort();

async function exportTo(reference: string): Promise<void> {
  const sink = await openLayoutSink(reference);
  await sink.putManifest(DESCRIPTOR, MANIFEST);
  await sink.finish();
  await sink.close();
}

test("a new layout", async () => {
  const blob = noise(3_000_000);
  const sink = await openLayoutSink(`oci:${layout}:v1`);
  expect(await sink.hasBlob(sha256(blob))).toBe(false);
  expect(await sink.putBlob(() => chunked(blob), fact(blob))).toMatchObject(fact(blob));
  expect(await sink.hasBlob(sha256(blob))).toBe(true);
  expect(await sink.hasBlob(sha256(blob), { size: 1 })).toBe(false);
  await sink.putManifest(DESCRIPTOR, MANIFEST);
  expect(existsSync(join(layout, "index.json"))).toBe(false);
  await sink.finish();
  await sink.close();
  expect(read("oci-layout")).toBe('{"imageLayoutVersion":"1.0.0"}');
  expect(JSON.parse(read("index.json"))).toMatchObject({
    manifests: [{ ...DESCRIPTOR, annotations: { "org.opencontainers.image.ref.name": "v1" } }],
  });
  expect(readFileSync(blobFile(sha256(blob))).equals(blob)).toBe(true);
  const names = [sha256(blob), sha256(MANIFEST)].map((digest) => digest.replace(":", "/")).sort();
  expect(files()).toEqual(
    ["blobs", "blobs/sha256", ...names.map((name) => `blobs/${name}`), "index.json", "oci-layout"].sort(),
  );
});

test("a digest that nobody knew", async () => {
  const sink = await openLayoutSink(`oci:${layout}`);
  expect(await sink.putBlob(() => chunked(Buffer.from("text"), 1), null)).toEqual({
    ...fact(Buffer.from("text")),
    present: false,
  });
  expect(await sink.putBlob(() => chunked(Buffer.from("text"), 3), null)).toEqual({
    ...fact(Buffer.from("text")),
    present: true,
  });
  expect(readFileSync(blobFile(sha256("text")), "utf8")).toBe("text");
});

test("a blob that is there is not read again, a cut one is replaced", async () => {
  const blob = noise(1000);
  const sink = await openLayoutSink(`oci:${layout}`);
  await sink.putBlob(() => chunked(blob), fact(blob));
  let asked = false;
  const content = (async function* () {
    asked = true;
    yield blob;
  })();
  expect(await sink.putBlob(() => content, fact(blob))).toEqual({ ...fact(blob), present: true });
  expect(asked).toBe(false);
  writeFileSync(blobFile(sha256(blob)), "cut");
  await sink.putBlob(() => content, fact(blob));
  expect(asked).toBe(true);
  expect(readFileSync(blobFile(sha256(blob))).equals(blob)).toBe(true);
});

describe("BLOB_DIGEST_MISMATCH leaves nothing", () => {
  const good = noise(2_500_000);
  test.each([
    ["other bytes", noise(good.length)],
    ["too few", good.subarray(1)],
    ["too many", Buffer.concat([good, Buffer.alloc(1)])],
  ])("%s", async (_, bytes) => {
    const sink = await openLayoutSink(`oci:${layout}`);
    await expect(sink.putBlob(() => chunked(bytes), fact(good))).rejects.toMatchObject(
      ociError("BLOB_DIGEST_MISMATCH", { expected: sha256(good) }),
    );
    expect(files()).toEqual(["oci-layout"]);
  });

  test("endless content is not read to its end", async () => {
    const sink = await openLayoutSink(`oci:${layout}`);
    const endless = (async function* () {
      for (;;) yield Buffer.alloc(65_536);
    })();
    await expect(sink.putBlob(() => endless, fact(good))).rejects.toMatchObject(ociError("BLOB_DIGEST_MISMATCH"));
  });
});

test("an error of the content, and an abort, leave nothing", async () => {
  const sink = await openLayoutSink(`oci:${layout}`);
  const failing = (async function* () {
    yield noise(2_000_000);
    throw new Error("from the content");
  })();
  await expect(sink.putBlob(() => failing, null)).rejects.toThrow("from the content");
  const signal = AbortSignal.abort(new Error("stop"));
  await expect(sink.putBlob(() => chunked(noise(10)), null, { signal })).rejects.toThrow("stop");
  expect(files()).toEqual(["oci-layout"]);
});

test("without finish the index stays as it was", async () => {
  await exportTo(`oci:${layout}:a`);
  const before = read("index.json");
  const sink = await openLayoutSink(`oci:${layout}:b`);
  await sink.putManifest(DESCRIPTOR, MANIFEST);
  await sink.close();
  expect(read("index.json")).toBe(before);
});

test("twice the same changes nothing", async () => {
  await exportTo(`oci:${layout}:a`);
  writeFileSync(join(layout, "index.json"), ` ${read("index.json")}\n`);
  const before = read("index.json");
  await exportTo(`oci:${layout}:a`);
  expect(read("index.json")).toBe(before);
});

test("a referrer is listed with its type and without a name", async () => {
  const referrer = Buffer.from(
    '{"schemaVersion":2,"config":{"mediaType":"application/x-test"},"layers":[],"subject":{"digest":"x"}}',
  );
  const sink = await openLayoutSink(`oci:${layout}:a`);
  await sink.putManifest(DESCRIPTOR, MANIFEST);
  await sink.putReferrer({ mediaType: "m", ...fact(referrer) }, referrer);
  await sink.finish();
  expect((JSON.parse(read("index.json")) as { manifests: unknown[] }).manifests).toEqual([
    { ...DESCRIPTOR, annotations: { "org.opencontainers.image.ref.name": "a" } },
    { mediaType: "m", ...fact(referrer), artifactType: "application/x-test" },
  ]);
});

test("several at once each get their entry", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `name${i}`);
  await Promise.all(names.map((name) => exportTo(`oci:${layout}:${name}`)));
  const { manifests } = JSON.parse(read("index.json")) as { manifests: { annotations: Record<string, string> }[] };
  expect(manifests.map(({ annotations }) => Object.values(annotations)[0]).sort()).toEqual([...names].sort());
});

describe("DESTINATION_INVALID", () => {
  test("garbage in index.json, which stays as it was", async () => {
    mkdirSync(layout);
    writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(join(layout, "index.json"), "hello");
    await expect(openLayoutSink(`oci:${layout}:a`)).rejects.toMatchObject(
      ociError("DESTINATION_INVALID", { path: join(layout, "index.json") }),
    );
    expect(read("index.json")).toBe("hello");
    expect(files()).toEqual(["index.json", "oci-layout"]);
  });

  test("garbage that comes meanwhile", async () => {
    const sink = await openLayoutSink(`oci:${layout}:a`);
    await sink.putManifest(DESCRIPTOR, MANIFEST);
    writeFileSync(join(layout, "index.json"), "hello");
    await expect(sink.finish()).rejects.toMatchObject(ociError("DESTINATION_INVALID"));
    expect(read("index.json")).toBe("hello");
  });

  test.each<[string, () => void]>([
    ["a directory with other things", () => writeFileSync(join(layout, "letter"), "")],
    ["a marker of another version", () => writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}')],
    ["a marker that is none", () => writeFileSync(join(layout, "oci-layout"), "hello")],
    ["a marker that is a directory", () => mkdirSync(join(layout, "oci-layout"))],
    ["an index that is a link", () => symlinkSync("/etc/hostname", join(layout, "index.json"))],
  ])("%s", async (_, make) => {
    mkdirSync(layout);
    make();
    const before = files();
    await expect(openLayoutSink(`oci:${layout}`)).rejects.toMatchObject(ociError("DESTINATION_INVALID"));
    expect(files().filter((name) => name !== "oci-layout")).toEqual(before.filter((name) => name !== "oci-layout"));
  });

  test.each<[string, () => void]>([
    ["a file", () => writeFileSync(layout, "")],
    ["a symbolic link that leads nowhere", () => symlinkSync("nowhere", layout)],
  ])("%s in the way", async (_, make) => {
    make();
    await expect(openLayoutSink(`oci:${layout}`)).rejects.toMatchObject({ code: "DESTINATION_INVALID" });
  });
});
