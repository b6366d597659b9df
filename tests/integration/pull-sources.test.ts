import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { initRepo, type PullOutput } from "../support/repo.ts";
import { run } from "../support/run.ts";

/** One image pulled by composefs-rs 0.9.4; see testdata/README.md. */
interface RecordedImage {
  readonly name: string;
  readonly pull_ref: string;
  readonly manifest_digest: string;
  readonly config_digest: string;
  readonly hash: {
    readonly sha256: {
      readonly layers: Record<string, { readonly stream: string }>;
      readonly V1: {
        readonly image_id: string;
        readonly config_stream: string;
        readonly manifest_stream_canonical: string;
      };
    };
  };
}

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly RecordedImage[];
};
/** skopeo wants a config in every image that it copies. */
const containers = images.filter(({ name }) => name !== "artifact");
/** Layers compressed by zstd, which skopeo does not put into archives of docker. */
const ZSTD: ReadonlySet<string> = new Set(["pax-xattrs", "ustar-odd", "bootable"]);
const needed = requires("cfsctl", "skopeo");

describe.skipIf(needed !== null)("images that skopeo copied", () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "pull-sources-"));
    for (const { name } of images) {
      run("tar", ["-xf", new URL(`layouts/${name}.tar`, TESTDATA).pathname, "-C", directory]);
    }
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const repository = (): Promise<string> => initRepo(mkdtempSync(join(directory, "repo-")), "fsverity-sha256-12");
  const pullJson = async (repo: string, ...args: string[]): Promise<PullOutput> => {
    const command = ["--repo", repo, "oci", "pull", "--json", "--compat-whiteouts", ...args];
    return JSON.parse((await cfsctlOk(command)).stdout) as PullOutput;
  };

  const cases = containers.flatMap((image) =>
    ["oci-archive", "dir", "docker-archive"]
      .filter((transport) => transport !== "docker-archive" || !ZSTD.has(image.name))
      .map((transport) => ({ name: image.name, transport, image })),
  );
  test.each(cases)("$name by $transport has the recorded layers and image", async ({ image, transport }) => {
    const expected = image.hash.sha256;
    const reference = `${transport}:${join(mkdtempSync(join(directory, "copy-")), "copy")}`;
    // The same name is there for two platforms.
    const source = image.name === "index-flat" ? `@${image.manifest_digest}` : "";
    const from = source === "" ? image.pull_ref.replace("oci:", `oci:${directory}/`) : flattened(directory, image);
    run("skopeo", ["copy", "--quiet", from, `${reference}${transport === "docker-archive" ? ":localhost/x:1" : ""}`]);
    const repo = await repository();
    const result = await pullJson(repo, reference, "x");
    expect(result).toMatchObject({ config_digest: image.config_digest, image: expected.V1.image_id, changed: true });
    expect(result.config_verity).toBe(expected.V1.config_stream);
    // skopeo compresses what goes to oci-archive:.
    if (transport === "dir") {
      expect(result).toMatchObject({
        manifest_digest: image.manifest_digest,
        manifest_verity: expected.V1.manifest_stream_canonical,
      });
    }
    const streams = readdirSync(join(repo, "streams")).filter((name) => name.startsWith("oci-layer-"));
    expect(streams.sort()).toEqual(
      Object.keys(expected.layers)
        .map((diffId) => `oci-layer-${diffId}`)
        .sort(),
    );
    await cfsctlOk(["--repo", repo, "oci", "fsck"]);
    expect(await pullJson(repo, reference, "x")).toMatchObject({ changed: false });
  });

  test("a manifest of Docker's schema 2 keeps its bytes", async () => {
    const place = join(mkdtempSync(join(directory, "copy-")), "copy");
    run("skopeo", ["copy", "--quiet", "--format", "v2s2", `oci:${directory}/gnu-whiteouts`, `dir:${place}`]);
    const repo = await repository();
    const { manifest_digest, image } = await pullJson(repo, `dir:${place}`, "x");
    const manifest = readFileSync(join(place, "manifest.json"), "utf8");
    expect(manifest).toContain("application/vnd.docker.distribution.manifest.v2+json");
    expect((await cfsctlOk(["--repo", repo, "oci", "inspect", "--manifest", "x"])).stdout).toBe(`${manifest}\n`);
    expect((await cfsctlOk(["--repo", repo, "oci", "images"])).stdout).toContain(manifest_digest.slice(7, 19));
    expect(image).toBe(containers[0]?.hash.sha256.V1.image_id);
  });

  test.skipIf(requires("root", "cfsctl", "skopeo") !== null)("an image of podman's storage by skopeo", async () => {
    const store = mkdtempSync(join(directory, "store-"));
    const reference = `containers-storage:[vfs@${store}/root+${store}/run]localhost/umoci:1`;
    run("skopeo", ["copy", "--quiet", `oci:${directory}/umoci-go:latest`, reference]);
    const repo = await repository();
    const umoci = images.find(({ name }) => name === "umoci-go") as RecordedImage;
    const result = await pullJson(repo, "--local-fetch", "disabled", reference, "x");
    expect(result).toMatchObject({ config_digest: umoci.config_digest, image: umoci.hash.sha256.V1.image_id });
    expect(readdirSync(tmpdir()).filter((name) => name.startsWith("composefs-skopeo-"))).toEqual([]);
  });

  test("--platform, and what there is when it is not there", async () => {
    const reference = `oci:${directory}/index-flat:multi`;
    const repo = await repository();
    const arm = await pullJson(repo, "--platform", "linux/arm64", reference, "arm");
    const other = await pullJson(repo, reference, "other");
    expect(arm.manifest_digest).not.toBe(other.manifest_digest);
    const { exitCode, stderr } = await cfsctl(["--repo", repo, "oci", "pull", "--platform", "linux/s390x", reference]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("linux/arm64, linux/amd64 [SOURCE_NOT_FOUND]");
    expect((await cfsctl(["--repo", repo, "oci", "pull", "--platform", "linux", reference])).exitCode).toBe(2);
  });

  test("the printed lines", async () => {
    const repo = await repository();
    const { stdout } = await cfsctlOk([
      "--repo",
      repo,
      "oci",
      "pull",
      "--quiet",
      `oci:${directory}/umoci-go:latest`,
      "x",
    ]);
    const umoci = images.find(({ name }) => name === "umoci-go") as RecordedImage;
    expect(stdout.split("\n").slice(0, 5)).toEqual([
      `manifest ${umoci.manifest_digest}`,
      `config   ${umoci.config_digest}`,
      `verity   ${umoci.hash.sha256.V1.manifest_stream_canonical}`,
      "tagged   x",
      "Import statistics:",
    ]);
  });
});

/** A layout that has this manifest of an index alone. */
function flattened(directory: string, { name, manifest_digest }: RecordedImage): string {
  const layout = mkdtempSync(join(directory, "flat-"));
  run("cp", ["-a", `${join(directory, name)}/.`, layout]);
  const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as { manifests: { digest: string }[] };
  index.manifests = index.manifests.filter(({ digest }) => digest === manifest_digest);
  writeFileSync(join(layout, "index.json"), JSON.stringify(index));
  return `oci:${layout}`;
}
