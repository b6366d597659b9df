import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initRepository, Repository } from "@composefs/core";
import { importImage, type OciDigest } from "@composefs/oci";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { layoutSource } from "../support/oci-layout.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { run } from "../support/run.ts";

const TESTDATA = new URL("../../testdata/oci/", import.meta.url);
const { images } = JSON.parse(readFileSync(new URL("vectors.json", TESTDATA), "utf8")) as {
  images: readonly { readonly name: string; readonly manifest_digest: OciDigest }[];
};
const NAMES = ["umoci-go", "artifact"];

describe.skipIf(requires("docker-registry", "skopeo", "cfsctl") !== null)("oci push", () => {
  let dir: string;
  let repo: string;
  let registry: TestRegistry;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "push-"));
    repo = join(dir, "repo");
    initRepository(repo, { hash: "sha256", insecure: true });
    await using repository = await Repository.open(repo);
    for (const name of NAMES) {
      execFileSync("tar", ["-xf", new URL(`layouts/${name}.tar`, TESTDATA).pathname, "-C", dir]);
      await importImage(repository, layoutSource(repository, join(dir, name), digestOf(name)), { tag: name });
    }
    registry = await startRegistry();
  });
  afterAll(async () => {
    await registry?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const digestOf = (name: string): OciDigest =>
    images.find((image) => image.name === name)?.manifest_digest as OciDigest;
  const rawManifest = (target: string): string =>
    run("skopeo", ["inspect", "--raw", "--tls-verify=false", target], { env: { ...process.env, ...registry.env() } });

  async function push(name: string, target: string): Promise<Record<string, unknown>> {
    const command = ["--repo", repo, "oci", "push", "--quiet", "--json", name, target];
    return JSON.parse((await cfsctlOk(command, { env: registry.env() })).stdout) as Record<string, unknown>;
  }

  test("an image that was compressed arrives with a manifest of its own, which skopeo copies", async () => {
    const target = `docker://${registry.host}/new/umoci:v1`;
    const pushed = await push("umoci-go", target);
    expect(pushed).toMatchObject({ stored_manifest_digest: digestOf("umoci-go"), original: false, blobs_written: 3 });
    run("skopeo", ["--insecure-policy", "copy", "-q", "--src-tls-verify=false", target, `dir:${join(dir, "copied")}`]);
    const raw = rawManifest(target);
    expect(raw).toContain((pushed as { config_digest: string }).config_digest);
  });

  test("where the registry has the blobs, the manifest is the original", async () => {
    const target = `docker://${registry.host}/there/umoci`;
    const copy = ["--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false"];
    run("skopeo", [...copy, `oci:${join(dir, "umoci-go")}:latest`, `${target}:skopeo`]);
    expect(await push("umoci-go", `${target}:ours`)).toMatchObject({
      manifest_digest: digestOf("umoci-go"),
      original: true,
      blobs_written: 0,
    });
    expect(rawManifest(`${target}:ours`)).toBe(rawManifest(`${target}:skopeo`));
  });

  test("an artifact arrives byte for byte", async () => {
    const target = `docker://${registry.host}/art:v1`;
    expect(await push("artifact", target)).toMatchObject({ manifest_digest: digestOf("artifact"), original: true });
    expect(await push("artifact", target)).toMatchObject({ blobs_written: 0 });
    rawManifest(target);
  });

  test("REF_INVALID, TRANSPORT: references that name no registry", async () => {
    for (const target of ["docker://", "oci:x"]) {
      const { exitCode, stderr } = await cfsctl(["--repo", repo, "oci", "push", "artifact", target]);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/\[(REF_INVALID|TRANSPORT)\]/);
    }
  });
});
