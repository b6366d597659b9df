import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { CFSCTL_PATH, cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, pullJson } from "../support/repo.ts";
import { streamLinks, streamRefs } from "../support/repo-state.ts";
import { storedLayers, type TestStore, testStore } from "../support/store.ts";
import { buildSmallImage } from "../support/store-builder.ts";

const SHA256 = /^sha256:[0-9a-f]{64}$/;
const HEX_SHA512 = /^[0-9a-f]{128}$/;

describe.skipIf(requires("cfsctl") !== null)("the command line", () => {
  test.each(["--help", "-h", "help", "oci --help", "oci pull --help", "init --help"])(
    "help on stdout: %s",
    async (line) => {
      const { stdout, stderr, exitCode } = await cfsctl(line.split(" "));
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/usage/i);
      expect(stderr).toBe("");
    },
  );

  test.each([[[]], [["oci"]]])("no subcommand %j: help on stderr, status 2", async (args) => {
    const { stdout, stderr, exitCode } = await cfsctl(args);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/usage/i);
    expect(stdout).toBe("");
  });

  test.each([
    ["unknown option", ["--no-such-option"]],
    ["unknown subcommand", ["no-such-command"]],
    ["global option after the subcommand", ["oci", "images", "--repo", "x"]],
    ["option given twice", ["--repo", "a", "--repo", "b", "oci", "images"]],
    ["value not in the list", ["--repo", "a", "oci", "pull", "--verify", "sometimes", "containers-storage:x"]],
    ["bad algorithm", ["--repo", "a", "init", "--algorithm", "md5"]],
    ["bad hash", ["--hash", "md5", "oci", "images"]],
    ["missing argument", ["--repo", "a", "oci", "pull"]],
    ["malformed digest", ["--repo", "a", "oci", "import-layer", "sha256:xyz"]],
    ["conflicting options", ["--repo", "a", "--user", "oci", "images"]],
  ])("usage error: %s", async (_, args) => {
    const { stdout, stderr, exitCode } = await cfsctl(args);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^error: /);
    expect(stdout).toBe("");
  });

  test("an option may be joined to its value", async () => {
    const { exitCode, stderr } = await cfsctl(["--repo=/nowhere/repo", "oci", "images"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("[REPO_NOT_FOUND]");
  });

  test.each(["--version", "-V"])("%s", async (option) => {
    const { stdout, exitCode } = await cfsctl([option]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^cfsctl \d+\.\d+\.\d+\S*\n$/);
  });
});

describe.skipIf(requires("xfs", "buildah", "cfsctl") !== null)("commands on a repository", () => {
  let fs: LoopFs;
  let store: TestStore;
  let reference: string;

  beforeAll(() => {
    fs = mountLoopFs("xfs");
    store = testStore(fs.path);
    reference = `containers-storage:${buildSmallImage(store)}`;
  });
  afterAll(() => fs?.dispose());

  test.each([
    [[], "fsverity-sha512-12"],
    [["--algorithm", "fsverity-sha256-12"], "fsverity-sha256-12"],
  ])("init %j says what it made", async (args, algorithm) => {
    const path = join(fs.path, "made/with/parents", algorithm);
    const first = await cfsctlOk(["--repo", path, "init", "--insecure", ...args]);
    expect(first.stdout).toBe(
      `Initialized composefs repository at ${path}\n  algorithm: ${algorithm}\n  verity:    not required (insecure)\n`,
    );
    const again = await cfsctlOk(["--repo", path, "init", "--insecure", ...args]);
    expect(again.stdout).toBe(`Repository already initialized at ${path}\n`);
  });

  test("init with another algorithm fails and changes nothing", async () => {
    const path = await initRepo(join(fs.path, "once"));
    const before = readFileSync(join(path, "meta.json"));
    const result = await cfsctl(["--repo", path, "init", "--insecure", "--algorithm", "fsverity-sha256-12"]);
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("[REPO_CONFIG_MISMATCH]");
    expect(readFileSync(join(path, "meta.json"))).toEqual(before);
  });

  test("pull prints the four lines and the statistics", async () => {
    const repo = await initRepo(join(fs.path, "plain"));
    const { stdout } = await cfsctlOk(["--repo", repo, "oci", "pull", reference, "small"]);
    expect(stdout).toMatch(
      /^manifest sha256:[0-9a-f]{64}\nconfig {3}sha256:[0-9a-f]{64}\nverity {3}[0-9a-f]{128}\ntagged {3}small\nImport statistics:\n {2}layers: 3 \(0 already present\)\n/,
    );
  });

  test("pull without a name tags with the whole reference", async () => {
    const repo = await initRepo(join(fs.path, "untitled"));
    const { stdout } = await cfsctlOk(["--repo", repo, "oci", "pull", reference]);
    expect(stdout).toContain(`tagged   ${reference}\n`);
  });

  test("pull --json prints one object with these keys", async () => {
    const repo = await initRepo(join(fs.path, "json"));
    const output = await pullJson(repo, reference.slice("containers-storage:".length));
    expect(Object.keys(output).sort()).toEqual(
      [
        "manifest_digest",
        "config_digest",
        "manifest_verity",
        "config_verity",
        "tag",
        "image",
        "boot_image",
        "changed",
        "stats",
      ].sort(),
    );
    expect(Object.keys(output.stats).sort()).toEqual(
      [
        "layers",
        "layers_already_present",
        "objects_reflinked",
        "objects_hardlinked",
        "objects_copied",
        "objects_already_present",
        "bytes_reflinked",
        "bytes_hardlinked",
        "bytes_copied",
        "bytes_inlined",
      ].sort(),
    );
    expect(output.manifest_digest).toMatch(SHA256);
    expect(output.config_digest).toMatch(SHA256);
    expect(output.manifest_verity).toMatch(HEX_SHA512);
    expect(output.config_verity).toMatch(HEX_SHA512);
    expect(output.tag).toBe("test");
    expect(output.changed).toBe(true);
    expect((await pullJson(repo, reference.slice("containers-storage:".length))).changed).toBe(false);
    const link = (name: string) => streamLinks(repo)[name]?.split("/").slice(-2).join("");
    expect(link(`oci-manifest-${output.manifest_digest}`)).toBe(output.manifest_verity);
    expect(link(`oci-config-${output.config_digest}`)).toBe(output.config_verity);
  });

  test("--quiet prints nothing on stderr", async () => {
    const repo = await initRepo(join(fs.path, "quiet"));
    const { stderr, stdout } = await cfsctlOk(["--repo", repo, "oci", "pull", "--quiet", reference]);
    expect(stderr).toBe("");
    expect(stdout).toContain("manifest sha256:");
  });

  test("off a terminal progress is plain lines, one for each finished layer", async () => {
    const repo = await initRepo(join(fs.path, "plain-progress"));
    const { stderr } = await cfsctlOk(["--repo", repo, "oci", "pull", reference]);
    expect(stderr).not.toContain("\u001b");
    expect(stderr).not.toContain("\r");
    for (const { diffId } of storedLayers(store)) expect(stderr).toContain(diffId.slice("sha256:".length, 19));
  });

  test("--progress json prints one event a line on stderr", async () => {
    const repo = await initRepo(join(fs.path, "json-progress"));
    const { stderr } = await cfsctlOk(["--repo", repo, "oci", "pull", "--progress", "json", reference]);
    const events = stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; id?: string });
    expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(["plan", "start", "done"]));
    expect(new Set(events.filter(({ type }) => type === "done").map(({ id }) => id)).size).toBe(3);
  });

  describe("on a pulled image", () => {
    let repo: string;
    let manifest: string;
    let config: string;

    beforeAll(async () => {
      repo = await initRepo(join(fs.path, "repo"));
      const output = await pullJson(repo, reference.slice("containers-storage:".length));
      manifest = output.manifest_digest;
      config = output.config_digest;
    });

    test("oci images", async () => {
      const { stdout } = await run("oci", "images");
      for (const word of ["NAME", "DIGEST", "ARCH", "LAYERS", "REFS", "test", manifest.slice(7, 19)]) {
        expect(stdout).toContain(word);
      }
    });

    test("oci images --json", async () => {
      const { images } = JSON.parse((await run("oci", "images", "--json")).stdout) as { images: unknown[] };
      expect(images).toEqual([
        {
          name: "test",
          manifest_digest: manifest,
          is_container: true,
          architecture: expect.any(String),
          os: "linux",
          created: expect.any(String),
          layer_count: 3,
          referrer_count: 0,
        },
      ]);
    });

    test("oci inspect", async () => {
      const all = JSON.parse((await run("oci", "inspect", "test")).stdout) as Record<string, unknown>;
      expect(Object.keys(all).sort()).toEqual(
        ["manifest", "config", "referrers", "composefs_erofs", "composefs_boot_erofs"].sort(),
      );
      const byDigest = await run("oci", "inspect", `@${manifest}`);
      expect(JSON.parse(byDigest.stdout)).toEqual(all);
    });

    test.each([
      ["--manifest", () => manifest],
      ["--config", () => config],
    ])("oci inspect %s prints the stored bytes", async (option, digest) => {
      const { stdoutBytes } = await run("oci", "inspect", option, "test");
      expect(stdoutBytes.at(-1)).toBe(10);
      expect(sha256(stdoutBytes.subarray(0, -1))).toBe(digest());
    });

    test("oci tag and untag", async () => {
      expect((await run("oci", "tag", manifest, "second")).stdout).toBe(`Tagged ${manifest} as second\n`);
      expect(streamRefs(repo)).toHaveLength(2);
      expect((await run("oci", "untag", "second")).stdout).toBe("Removed tag second\n");
      expect(streamRefs(repo)).toHaveLength(1);
      const missing = await cfsctl(["--repo", repo, "oci", "untag", "second"]);
      expect(missing.exitCode).toBe(1);
      expect(missing.stderr).toMatch(/^Error: .*\[\w+\]/m);
    });

    test("oci layer gives the tar, and a summary with --json", async () => {
      for (const { diffId } of storedLayers(store)) {
        const tar = (await run("oci", "layer", diffId)).stdoutBytes;
        expect(sha256(tar)).toBe(diffId);
        const summary = JSON.parse((await run("oci", "layer", "--json", diffId)).stdout) as Record<string, unknown>;
        expect(summary).toMatchObject({ diffId, verity: expect.any(String), size: tar.length });
        expect(summary.splitstream).toMatchObject({
          externalObjects: expect.any(Number),
          externalSize: expect.any(Number),
          inlineSize: expect.any(Number),
        });
      }
    });

    test("cat gives the bytes of a stream by content id", async () => {
      expect(sha256((await run("cat", `oci-manifest-${manifest}`)).stdoutBytes)).toBe(manifest);
      expect(sha256((await run("cat", `oci-config-${config}`)).stdoutBytes)).toBe(config);
      const [layer] = storedLayers(store);
      expect(sha256((await run("cat", `oci-layer-${layer?.diffId}`)).stdoutBytes)).toBe(layer?.diffId);
    });

    test("D25: an output that nobody reads ends quietly with status 0", () => {
      const [layer] = storedLayers(store);
      const script = 'set -o pipefail; "$@" | head -c 0; echo "status $?"';
      const command = [process.execPath, CFSCTL_PATH, "--repo", repo, "oci", "layer", layer?.diffId ?? ""];
      const result = spawnSync("bash", ["-c", script, "bash", ...command], { encoding: "utf8" });
      expect([result.stdout, result.stderr]).toEqual(["status 0\n", ""]);
    });

    test.each([
      ["oci inspect", ["oci", "inspect", "absent"]],
      ["oci layer", ["oci", "layer", `sha256:${"0".repeat(64)}`]],
      ["cat", ["cat", "oci-layer-absent"]],
      ["import-layer with another tar", ["oci", "import-layer", `sha256:${"0".repeat(64)}`]],
    ])("%s of something that is not there fails with a code", async (_, args) => {
      const { exitCode, stderr, stdout } = await cfsctl(["--repo", repo, ...args], { input: Buffer.alloc(1024) });
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^Error: .*\[[A-Z_]+\]/m);
      expect(stdout).toBe("");
    });

    function run(...args: string[]) {
      return cfsctlOk(["--repo", repo, ...args]);
    }
  });
});

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
