import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";

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
    const [, hex] = digestOf("artifact").split(":");
    expect(rawManifest(target)).toBe(readFileSync(join(dir, "artifact/blobs/sha256", hex as string), "utf8").trimEnd());
  });

  test("a referrer is found in a registry without the referrers API, by the tag that stands in for it", async () => {
    const subject = digestOf("umoci-go");
    const layout = join(dir, "with-referrer");
    run("cp", ["-r", join(dir, "umoci-go"), layout]);
    const store = (bytes: Buffer): string => {
      const hex = createHash("sha256").update(bytes).digest("hex");
      writeFileSync(join(layout, "blobs/sha256", hex), bytes);
      return `sha256:${hex}`;
    };
    const empty = Buffer.from("{}");
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        artifactType: "application/spdx+json",
        config: { mediaType: "application/vnd.oci.empty.v1+json", digest: store(empty), size: 2 },
        layers: [{ mediaType: "text/plain", digest: store(empty), size: 2 }],
        subject: { mediaType: OCI_MANIFEST, digest: subject, size: 400 },
      }),
    );
    const digest = store(manifest);
    const index = { schemaVersion: 2, manifests: [{ mediaType: OCI_MANIFEST, digest, size: manifest.length }] };
    writeFileSync(join(layout, "index.json"), JSON.stringify(index));
    await cfsctlOk(["--repo", repo, "oci", "pull", "--quiet", `oci:${layout}`, "sbom"]);

    const target = `docker://${registry.host}/referred/umoci`;
    run("skopeo", [
      ...["--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false"],
      ...[`oci:${join(dir, "umoci-go")}`, `${target}:seed`],
    ]);
    expect(await push("umoci-go", `${target}:v1`)).toMatchObject({ original: true });
    const listed = JSON.parse(rawManifest(`${target}:${subject.replace(":", "-")}`)) as { manifests: object[] };
    expect(listed.manifests).toEqual([
      { mediaType: OCI_MANIFEST, digest, size: manifest.length, artifactType: "application/spdx+json" },
    ]);
    expect(rawManifest(`${target}@${digest}`)).toBe(manifest.toString());

    const other = join(dir, "repo-with-referrers");
    await cfsctlOk(["--repo", other, "init", "--insecure"]);
    const inOther = async (...args: string[]) =>
      (await cfsctlOk(["--repo", other, "oci", ...args], { env: registry.env() })).stdout;
    expect(JSON.parse(await inOther("pull", "-q", "--json", `${target}:v1`, "plain"))).not.toHaveProperty("referrers");
    const pulled = JSON.parse(await inOther("pull", "-q", "--json", "--referrers", `${target}:v1`, "app"));
    expect(pulled).toMatchObject({ manifest_digest: subject, referrers: [digest], changed: true });
    expect(JSON.parse(await inOther("inspect", "app")).referrers).toEqual([digest]);

    const last = join(dir, "repo-from-layout");
    await cfsctlOk(["--repo", last, "init", "--insecure"]);
    const images = JSON.parse(readFileSync(join(dir, "umoci-go/index.json"), "utf8")) as typeof index;
    const both = { ...index, manifests: [...index.manifests, ...images.manifests] };
    writeFileSync(join(layout, "index.json"), JSON.stringify(both));
    const fromLayout = ["--repo", last, "oci", "pull", "-q", "--referrers", `oci:${layout}`, "app"];
    expect((await cfsctlOk(fromLayout)).stdout).toContain("\nreferrers 1\n");
    await cfsctlOk(["--repo", last, "oci", "untag", "app"]);
    const artifacts = () => readdirSync(join(last, "streams")).filter((name) => name === `oci-manifest-${digest}`);
    expect(artifacts()).toHaveLength(1);
    expect((await cfsctlOk(["--repo", last, "gc", "--dry-run"])).stdout).toContain(`streams/oci-manifest-${digest}`);
    await cfsctlOk(["--repo", last, "gc"]);
    expect(artifacts()).toEqual([]);
  });

  test("REF_INVALID, TRANSPORT: references that name no registry", async () => {
    for (const target of ["docker://", "oci:x"]) {
      const { exitCode, stderr } = await cfsctl(["--repo", repo, "oci", "push", "artifact", target]);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/\[(REF_INVALID|TRANSPORT)\]/);
    }
  });
});
