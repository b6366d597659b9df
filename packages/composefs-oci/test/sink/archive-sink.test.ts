import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BlobSink } from "../../src/sink/blob-sink.ts";
import { openLayoutSink } from "../../src/sink/layout-sink.ts";
import { ociError } from "../code-of.ts";
import { chunked, noise, sha256 } from "../tar-builder.ts";

let base: string;
let archive: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "archive-sink-"));
  archive = join(base, "image.tar");
});
afterEach(() => rmSync(base, { recursive: true }));

const MANIFEST = Buffer.from('{"schemaVersion":2,"config":{"mediaType":"x/y"},"layers":[]}');

async function fill(sink: BlobSink, blobs: readonly Uint8Array[]): Promise<void> {
  for (const blob of blobs) await sink.putBlob(() => chunked(blob), null);
  await sink.putManifest({ mediaType: "m", digest: sha256(MANIFEST), size: MANIFEST.length }, MANIFEST);
}

async function write(reference: string, blobs: readonly Uint8Array[]): Promise<void> {
  const sink = await openLayoutSink(reference);
  await fill(sink, blobs);
  await sink.finish();
  await sink.close();
}

test("GNU tar reads it: sorted, time 0, nobody's", async () => {
  const blobs = [noise(3_000_000), noise(1), noise(512)];
  await write(`oci-archive:${archive}:v1`, blobs);
  const names = [...blobs, MANIFEST].map((bytes) => `blobs/${sha256(bytes).replace(":", "/")}`).sort();
  const list = execFileSync("tar", ["--utc", "--numeric-owner", "--full-time", "-tvf", archive], { encoding: "utf8" });
  const rows = list
    .trimEnd()
    .split("\n")
    .map((row) => row.split(/ +/));
  expect(rows.map((row) => row.at(-1))).toEqual(["blobs/", "blobs/sha256/", ...names, "index.json", "oci-layout"]);
  expect(new Set(rows.map((row) => [row[1], row[3], row[4]].join(" ")))).toEqual(new Set(["0/0 1970-01-01 00:00:00"]));
  expect(new Set(rows.map((row) => row[0]))).toEqual(new Set(["drwxr-xr-x", "-rw-r--r--"]));
  execFileSync("tar", ["-xf", archive, "-C", base]);
  for (const blob of blobs)
    expect(readFileSync(join(base, "blobs", ...sha256(blob).split(":"))).equals(blob)).toBe(true);
  expect(JSON.parse(readFileSync(join(base, "index.json"), "utf8"))).toMatchObject({
    manifests: [{ digest: sha256(MANIFEST), annotations: { "org.opencontainers.image.ref.name": "v1" } }],
  });
  expect(statSync(archive).mode & 0o777).toBe(0o644);
});

test("the same content makes the same archive, whatever the order", async () => {
  const blobs = [noise(100), noise(5000), noise(70)];
  await write(`oci-archive:${archive}`, blobs);
  const first = readFileSync(archive);
  await write(`oci-archive:${archive}`, blobs.toReversed());
  expect(readFileSync(archive).equals(first)).toBe(true);
  expect(readdirSync(base)).toEqual(["image.tar"]);
});

describe("an archive that is there", () => {
  test("is replaced", async () => {
    writeFileSync(archive, "old");
    await write(`oci-archive:${archive}`, []);
    expect(execFileSync("tar", ["-tf", archive], { encoding: "utf8" })).toContain("index.json\n");
  });

  test("is replaced behind a symbolic link", async () => {
    writeFileSync(join(base, "real"), "old");
    symlinkSync("real", archive);
    await write(`oci-archive:${archive}`, []);
    expect(readFileSync(join(base, "real")).length).toBeGreaterThan(1000);
    expect(readdirSync(base).sort()).toEqual(["image.tar", "real"]);
  });

  test("stays when the export does not come to its end", async () => {
    writeFileSync(archive, "old");
    const sink = await openLayoutSink(`oci-archive:${archive}`);
    await fill(sink, [noise(100)]);
    await sink.close();
    expect(readFileSync(archive, "utf8")).toBe("old");
    expect(readdirSync(base)).toEqual(["image.tar"]);
  });
});

describe("DESTINATION_INVALID", () => {
  test.each<[string, string, () => void]>([
    ["a directory", "", () => mkdirSync(archive)],
    ["a device", "/dev/null", () => undefined],
    ["a pipe", "", () => execFileSync("mkfifo", [archive])],
  ])("%s", async (_, elsewhere, make) => {
    make();
    const path = elsewhere || archive;
    const before = readdirSync(base);
    await expect(openLayoutSink(`oci-archive:${path}`)).rejects.toMatchObject(
      ociError("DESTINATION_INVALID", { path }),
    );
    expect(readdirSync(base)).toEqual(before);
  });

  test("in a directory that is not there", async () => {
    await expect(openLayoutSink(`oci-archive:${base}/no/x.tar`)).rejects.toMatchObject({ code: "DESTINATION_INVALID" });
  });
});
