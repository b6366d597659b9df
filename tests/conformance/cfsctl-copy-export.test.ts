import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HashName, initRepository, Repository } from "@composefs/core";
import { importImage, type OciDigest } from "@composefs/oci";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "../../packages/cfsctl/src/main.ts";
import { fakeIo } from "../../packages/cfsctl/test/fake-io.ts";
import { layoutSource } from "../support/oci-layout.ts";

interface RecordedImage {
  readonly name: string;
  readonly manifest_digest: OciDigest;
  readonly config_digest: OciDigest;
  readonly hash: Record<
    HashName,
    { readonly V1: { readonly config_stream: string; readonly manifest_stream_canonical: string } }
  >;
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly RecordedImage[];
};
const NAME = "umoci-go";
const IMAGE = images.find(({ name }) => name === NAME) as RecordedImage;

let directory: string;
let source: string;
let place: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "cfsctl-copy-"));
  source = newRepository("source", "sha256");
  execFileSync("tar", ["-xf", new URL(`layouts/${NAME}.tar`, TESTDATA).pathname, "-C", directory]);
  const repository = await Repository.open(source);
  try {
    await importImage(repository, layoutSource(repository, join(directory, NAME), IMAGE.manifest_digest), {
      tag: "src",
    });
  } finally {
    await repository.close();
  }
});
beforeEach(() => {
  place = mkdtempSync(join(directory, "place-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

function newRepository(name: string, hash: HashName): string {
  const path = join(directory, name);
  initRepository(path, { hash, insecure: true });
  return path;
}

async function cfsctl(repo: string, ...argv: string[]) {
  const io = fakeIo();
  const status = await runCli(["--repo", repo, "oci", ...argv], io);
  return { status, stdout: io.stdout.text, stderr: io.stderr.text };
}

/** The lines of composefs-rs 0.9.4 for `oci copy src --from FROM [--name TAG]`. */
function copied(hash: HashName, tagged: string): string {
  const { config_stream, manifest_stream_canonical } = IMAGE.hash[hash].V1;
  return [
    `Copied image src from ${source} to destination repo${tagged}`,
    `Manifest digest: ${IMAGE.manifest_digest}`,
    `Manifest verity: ${manifest_stream_canonical}`,
    `Config digest:   ${IMAGE.config_digest}`,
    `Config verity:   ${config_stream}`,
    "",
  ].join("\n");
}

describe("oci copy", () => {
  test.each(["sha256", "sha512"] as const)("into a repository with %s", async (hash) => {
    const repo = newRepository(`named-${hash}`, hash);
    const result = await cfsctl(repo, "copy", "src", "--from", source, "--name", "dst", "--quiet");
    expect(result).toEqual({ status: 0, stdout: copied(hash, ", tagged as dst"), stderr: "" });
    expect((await cfsctl(repo, "fsck")).status).toBe(0);
  });

  test("D23: without --name it is tagged as in the source", async () => {
    const repo = newRepository("d23", "sha512");
    expect(await cfsctl(repo, "copy", "src", "--from", source, "-q")).toMatchObject({
      status: 0,
      stdout: copied("sha512", ", tagged as src"),
    });
    const { images: listed } = JSON.parse((await cfsctl(repo, "images", "--json")).stdout) as {
      images: { name: string }[];
    };
    expect(listed.map(({ name }) => name)).toEqual(["src"]);
  });

  test("D9: a name with '@' is refused", async () => {
    const repo = newRepository("d9", "sha256");
    const { status, stderr } = await cfsctl(repo, "copy", "src", "--from", source, "--name", "a@b");
    expect(status).toBe(1);
    expect(stderr).toContain("[REF_INVALID]");
  });

  test("--json", async () => {
    const repo = newRepository("json", "sha256");
    const first = await cfsctl(repo, "copy", "src", "--from", source, "--json", "--progress", "json");
    const second = await cfsctl(repo, "copy", "src", "--from", source, "--json", "-q");
    const expected = {
      manifest_digest: IMAGE.manifest_digest,
      config_digest: IMAGE.config_digest,
      manifest_verity: IMAGE.hash.sha256.V1.manifest_stream_canonical,
      config_verity: IMAGE.hash.sha256.V1.config_stream,
      tag: "src",
    };
    expect(JSON.parse(first.stdout)).toMatchObject({ ...expected, changed: true });
    expect(JSON.parse(second.stdout)).toMatchObject({ ...expected, changed: false });
    const events = first.stderr
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { type: string }).type);
    expect(events.slice(0, 3)).toEqual(["stage", "plan", "stage"]);
  });

  test.each(["--zero-copy", "--zerocopy"])("%s between two hashes is refused, and says which", async (option) => {
    const repo = newRepository(`refused${option}`, "sha512");
    const { status, stderr } = await cfsctl(repo, "copy", "src", "--from", source, option);
    expect(status).toBe(1);
    expect(stderr).toContain("[ZERO_COPY_IMPOSSIBLE]");
    expect(stderr).toContain("sha256");
    expect(stderr).toContain("sha512");
  });

  test.each([
    ["an image that is not there", 1, ["copy", "nope", "--from", "SOURCE"], "[IMAGE_NOT_FOUND]"],
    ["a repository that is not there", 1, ["copy", "src", "--from", "/nowhere"], "[REPO_NOT_FOUND]"],
    ["no repository", 2, ["copy", "src"], "--from"],
  ])("%s: status %i", async (_, expected, argv, text) => {
    const repo = newRepository(`failing-${argv.length}-${argv[1]}-${argv[3] ?? ""}`.replaceAll("/", "_"), "sha256");
    const { status, stderr } = await cfsctl(repo, ...argv.map((arg) => (arg === "SOURCE" ? source : arg)));
    expect(status).toBe(expected);
    expect(stderr).toContain(text);
  });
});

describe("oci export", () => {
  test("to a new layout the layers are compressed anew, which is said", async () => {
    const { status, stdout, stderr } = await cfsctl(source, "export", "src", `oci:${place}/new:v1`);
    expect(status).toBe(0);
    const { manifests } = JSON.parse(readFileSync(join(place, "new/index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    const lines = stdout.split("\n");
    expect(lines.slice(0, 3)).toEqual([
      `manifest ${manifests[0]?.digest}`,
      `config   ${IMAGE.config_digest}`,
      `replaces ${IMAGE.manifest_digest}`,
    ]);
    expect(lines[3]).toMatch(/^blobs {4}3 \(\S+ KiB\) written, 0 \(0 B\) already there$/);
    expect(stderr).toContain(IMAGE.manifest_digest);
    expect(stderr).toContain("2 layers, ");
  });

  test("to where the blobs are, as JSON: the original", async () => {
    const { status, stdout, stderr } = await cfsctl(
      source,
      "export",
      "src",
      `oci:${join(directory, NAME)}:again`,
      "--json",
      "--quiet",
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      manifest_digest: IMAGE.manifest_digest,
      stored_manifest_digest: IMAGE.manifest_digest,
      original: true,
      config_digest: IMAGE.config_digest,
      blobs_written: 0,
      bytes_written: 0,
      blobs_present: 3,
      bytes_present: expect.any(Number) as number,
      referrers: [],
      referrers_left_out: [],
    });
  });

  test("an image that is not there makes nothing", async () => {
    expect(await cfsctl(source, "export", "nope", `oci:${place}/new`)).toMatchObject({ status: 1, stdout: "" });
    expect(existsSync(join(place, "new"))).toBe(false);
  });

  test.each([
    ["DESTINATION_INVALID", "oci:PLACE"],
    ["DESTINATION_INVALID", "oci-archive:/dev/null"],
    ["TRANSPORT", "docker://localhost/x"],
    ["TRANSPORT", "PLACE"],
    ["REF_INVALID", "oci:PLACE/new:-"],
  ])("%s: %s", async (code, destination) => {
    writeFileSync(join(place, "letter"), "");
    const { status, stderr } = await cfsctl(source, "export", "src", destination.replace("PLACE", place));
    expect(status).toBe(1);
    expect(stderr).toContain(`[${code}]`);
  });
});
