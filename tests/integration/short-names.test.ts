import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctl } from "../support/cfsctl.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";
import { initRepo } from "../support/repo.ts";
import { run } from "../support/run.ts";

const IMAGE = "bootable";

describe.skipIf(requires("root", "docker-registry", "skopeo", "podman", "cfsctl") !== null)("aliases", () => {
  let dir: string;
  let registry: TestRegistry;
  let conf: string;
  let env: NodeJS.ProcessEnv;
  let repo: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "short-names-"));
    const layouts = new URL("../../testdata/oci/layouts/", import.meta.url).pathname;
    execFileSync("tar", ["-xf", join(layouts, `${IMAGE}.tar`), "-C", dir]);
    registry = await startRegistry();
    const to = `docker://${registry.host}/team/app:v1`;
    const how = ["--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false"];
    run("skopeo", [...how, `oci:${join(dir, IMAGE)}`, to]);
    conf = join(dir, "registries.conf");
    const aliases = `[aliases]\n"my/app" = "${registry.host}/team/app"\n"oci" = "${registry.host}/team/other"\n`;
    const hub = '[[registry]]\nlocation = "docker.io"\nblocked = true\n';
    writeFileSync(conf, `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n${hub}${aliases}`);
    env = { ...registry.env(), CONTAINERS_REGISTRIES_CONF: conf };
    repo = await initRepo(join(dir, "repo"), "fsverity-sha256-12");
  });
  afterAll(async () => {
    await registry?.stop();
    rmSync(dir, { recursive: true });
  });

  const pull = (...args: string[]) => cfsctl(["--repo", repo, "oci", "pull", ...args], { env });

  test("a name without a transport is pulled from where its alias leads, as by podman", async () => {
    const podman = ["--root", join(dir, "root"), "--runroot", join(dir, "runroot"), "--storage-driver", "vfs"];
    const options = { env: { ...process.env, CONTAINERS_REGISTRIES_CONF: conf } };
    run("podman", [...podman, "pull", "-q", "my/app:v1"], options);
    const inspect = [...podman, "image", "inspect", "--format", "{{.Digest}} {{.RepoTags}}", "my/app:v1"];
    const [digest, ...tags] = run("podman", inspect, options).split(" ");
    expect(tags).toEqual([`[${registry.host}/team/app:v1]`]);

    const { exitCode, stdout, stderr } = await pull("my/app:v1");
    expect(stderr).toContain(`my/app:v1 is docker://${registry.host}/team/app:v1 by ${conf}\n`);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining(`manifest ${digest}\n`)]);
    expect(stdout).toContain("tagged   my/app:v1\n");
    const byDigest = await pull("--quiet", "--referrers", `my/app@${digest}`, "again");
    expect(byDigest).toMatchObject({
      exitCode: 0,
      stderr: "",
      stdout: expect.stringContaining(`manifest ${digest}\n`),
    });
  });

  test.each([
    ["other", "has no transport in front"],
    ["other:v1", "has the unknown transport 'other'"],
    ["my/app/x:v1", "has the unknown transport 'my/app/x'"],
    // A transport is one: podman and skopeo take the first for one of docker.io, too.
    ["docker://my/app:v1", "docker.io/my/app:v1: docker.io is blocked"],
    ["oci:v1", "oci:v1: there is no v1"],
  ])("%s has none", async (name, told) => {
    const { exitCode, stderr } = await pull("--quiet", name);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(told)]);
    expect(stderr).not.toContain(registry.host);
  });
});
