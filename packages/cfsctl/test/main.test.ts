import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fakeImage } from "../../composefs-oci/test/fake-image.ts";
import { runCli } from "../src/main.ts";
import { failingStream, fakeIo, fakeTerminal } from "./fake-io.ts";

/** An empty tar and its digest. */
const TAR = Buffer.alloc(1024);
const DIFF_ID = `sha256:${createHash("sha256").update(TAR).digest("hex")}`;
const OTHER = `sha256:${"0".repeat(64)}`;

let dir: string;
let repo: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "cfsctl-unit-"));
  repo = join(dir, "repo");
  expect(await run("--repo", repo, "init", "--insecure", "--algorithm", "fsverity-sha256-12")).toMatchObject({
    status: 0,
  });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function run(...argv: string[]) {
  const io = fakeIo([TAR]);
  const status = await runCli(argv, io);
  return { status, stdout: io.stdout.text, stderr: io.stderr.text };
}

test.each([
  ["--help"],
  ["-h"],
  ["help"],
  ["oci", "--help"],
  ["oci", "help", "pull"],
  ["--repo", "x", "oci", "pull", "-h"],
])("help on stdout: %s %s %s %s %s", async (...argv) => {
  const { status, stdout, stderr } = await run(...argv.filter((arg) => arg !== undefined));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toContain("Usage: cfsctl");
});

test.each(["--version", "-V"])("%s", async (option) => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(await run(option)).toEqual({ status: 0, stdout: `cfsctl ${version}\n`, stderr: "" });
});

describe("usage errors: status 2, nothing on stdout", () => {
  test.each<[string[]]>([[[]], [["oci"]]])("%j shows the help", async (argv) => {
    const { status, stdout, stderr } = await run(...argv);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain("Usage: cfsctl");
  });

  test.each<[string[]]>([
    [["--nonsense"]],
    [["nonsense"]],
    [["oci", "nonsense"]],
    [["oci", "images", "--repo", "r"]],
    [["--repo", "a", "--repo", "b", "oci", "images"]],
    [["--repo", "a", "--user", "oci", "images"]],
    [["--hash", "md5", "oci", "images"]],
    [["--repo"]],
    [["oci", "images", "extra"]],
    [["oci", "pull"]],
    [["oci", "pull", "--verify", "sometimes", "x"]],
    [["oci", "pull", "--progress", "loud", "x"]],
    [["oci", "pull", "--local-fetch", "never", "x"]],
    [["--repo", "REPO", "oci", "pull", "--zero-copy", "oci:x"]],
    [["--repo", "REPO", "oci", "pull", "--referrers", "dir:x"]],
    [["--repo", "REPO", "oci", "pull", "--referrers", "containers-storage:x"]],
    [["--repo", "REPO", "oci", "pull", "--hardlink", "docker://localhost/x"]],
    [["--repo", "REPO", "oci", "pull", "--verify", "crc", "dir:x"]],
    [["--repo", "REPO", "oci", "pull", "--local-fetch", "disabled", "--zero-copy", "containers-storage:x"]],
    [["oci", "images", "--json=v3"]],
    [["oci", "inspect", "--manifest", "--config", "x"]],
    [["oci", "inspect", "--manifest", "--json", "x"]],
    [["oci", "tag", "only-one"]],
    [["oci", "layer", "sha256:xyz"]],
    [["oci", "layer", `md5:${"0".repeat(32)}`]],
    [["oci", "import-layer", "latest"]],
    [["init", "--algorithm", "md5"]],
    [["init", "--algorithm", "fsverity-sha256-13"]],
    [["--hash", "sha512", "init", "--algorithm", "fsverity-sha256-12"]],
    [["init", "--erofs-version", "3"]],
  ])("%j", async (argv) => {
    const { status, stdout, stderr } = await run(...argv.map((arg) => (arg === "REPO" ? repo : arg)));
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain("For more information, try '--help'.\n");
  });

  test.each<[string[]]>([[["x\u001b]0;t\u0007"]], [["oci", "layer", "x\u001b[2J\u009b"]]])(
    "arguments cannot play with the terminal: %j",
    async (argv) => {
      const { status, stderr } = await run(...argv);
      expect(status).toBe(2);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
      expect(stderr).not.toMatch(/[\u001b\u0007\u009b]/);
    },
  );

  test("--user without a home", async () => {
    const { HOME } = process.env;
    delete process.env.HOME;
    try {
      expect(await run("--user", "oci", "images")).toMatchObject({ status: 2, stdout: "" });
    } finally {
      process.env.HOME = HOME;
    }
  });
});

describe("failures: status 1, a code on stderr, nothing on stdout", () => {
  test.each<[string, string[]]>([
    ["REPO_NOT_FOUND", ["--repo", "/nowhere", "oci", "images"]],
    ["REPO_CONFIG_MISMATCH", ["--repo", "REPO", "--hash", "sha512", "oci", "images"]],
    ["VERITY_REQUIRED", ["--repo", "REPO", "--require-verity", "oci", "images"]],
    ["REPO_METADATA_MISSING", ["--repo", "/proc/self/fdinfo", "oci", "images"]],
    ["REPO_OLD_FORMAT", ["--repo", "/proc/self/fdinfo", "--no-upgrade", "oci", "images"]],
    ["REPO_CONFIG_MISMATCH", ["--repo", "REPO", "init", "--algorithm", "fsverity-sha512-12"]],
    ["TRANSPORT", ["--repo", "REPO", "oci", "pull", "app"]],
    ["REF_INVALID", ["--repo", "REPO", "oci", "pull", "docker://App"]],
    ["REF_INVALID", ["--repo", "REPO", "oci", "pull", "containers-storage:app", "@x"]],
    ["REF_INVALID", ["--repo", "REPO", "oci", "pull", "oci:x", "a@b"]],
    ["IMAGE_NOT_FOUND", ["--repo", "REPO", "oci", "inspect", "app"]],
    ["IMAGE_NOT_FOUND", ["--repo", "REPO", "oci", "tag", "app", "x"]],
    ["IMAGE_NOT_FOUND", ["--repo", "REPO", "oci", "untag", "app"]],
    ["REF_INVALID", ["--repo", "REPO", "oci", "tag", "app", "a@b"]],
    ["LAYER_NOT_FOUND", ["--repo", "REPO", "oci", "layer", OTHER]],
    ["LAYER_NOT_FOUND", ["--repo", "REPO", "oci", "layer", "--json", OTHER]],
    ["DIFF_ID_MISMATCH", ["--repo", "REPO", "oci", "import-layer", OTHER]],
    ["REF_INVALID", ["--repo", "REPO", "oci", "import-layer", DIFF_ID, "../x"]],
    ["STREAM_NOT_FOUND", ["--repo", "REPO", "cat", "app"]],
    ["STREAM_NOT_FOUND", ["--repo", "REPO", "cat", "refs/oci/app"]],
    ["REF_INVALID", ["--repo", "REPO", "cat", "../meta.json"]],
    ["REF_INVALID", ["--repo", "REPO", "cat", "refs/../../meta.json"]],
  ])("%s: %j", async (code, argv) => {
    const { status, stdout, stderr } = await run(...argv.map((arg) => (arg === "REPO" ? repo : arg)));
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(/^Error: /);
    expect(stderr.split("\n")[0]).toContain(`[${code}]`);
  });

  test("--no-repo", async () => {
    expect(await run("--no-repo", "oci", "images")).toEqual({
      status: 1,
      stdout: "",
      stderr:
        "Error: --no-repo is only supported for compute-id and create-dumpfile [REPO_REQUIRED]\nHint: leave --no-repo out\n",
    });
  });

  test("a tar is not written to a terminal", async () => {
    await run("--repo", repo, "oci", "import-layer", DIFF_ID);
    const stdout = fakeTerminal();
    expect(await runCli(["--repo", repo, "oci", "layer", DIFF_ID], { ...fakeIo(), stdout })).toBe(1);
    expect(stdout.text).toBe("");
  });
});

describe("results", () => {
  test("init says what it made, and where", async () => {
    const path = join(dir, "made");
    const init = (...args: string[]) => run("--hash", "sha256", "init", "--insecure", ...args, path);
    expect(await init()).toMatchObject({
      status: 0,
      stdout: `Initialized composefs repository at ${path}\n  algorithm: fsverity-sha256-12\n  verity:    not required (insecure)\n`,
    });
    expect(await init()).toMatchObject({ status: 0, stdout: `Repository already initialized at ${path}\n` });
    expect(await init("--ensure")).toMatchObject({
      status: 0,
      stdout: `Repository already initialized at ${path} (existing configuration preserved)\n`,
    });
  });

  test("import-layer, layer, cat", async () => {
    expect((await run("--repo", repo, "oci", "import-layer", DIFF_ID, "my/name")).stdout).toMatch(
      /^sha256:[0-9a-f]{64}\n$/,
    );
    for (const argv of [
      ["oci", "layer", DIFF_ID],
      ["cat", `oci-layer-${DIFF_ID}`],
      ["cat", "refs/my/name"],
    ]) {
      const io = fakeIo();
      expect(await runCli(["--repo", repo, ...argv], io)).toBe(0);
      expect(Buffer.concat(io.stdout.chunks)).toEqual(TAR);
    }
    const { stdout } = await run("--repo", repo, "oci", "layer", "--json", DIFF_ID);
    expect(JSON.parse(stdout)).toMatchObject({ diffId: DIFF_ID, size: 1024, entryCount: 0 });
  });

  test("no images", async () => {
    expect(await run("--repo", repo, "oci", "images")).toEqual({ status: 0, stdout: "No images found\n", stderr: "" });
    expect((await run("--repo", repo, "oci", "images", "--json")).stdout).toBe('{\n  "images": []\n}\n');
  });

  test("images: a broken tag is told of on stderr, with nothing that acts on the terminal", async () => {
    const path = join(dir, "broken");
    await run("--repo", path, "init", "--insecure");
    const { Repository } = await import("@composefs/core");
    const { importImage } = await import("@composefs/oci");
    const repository = await Repository.open(path);
    const { source } = fakeImage(repository, { architecture: "\u001b[31m", os: "\u009b2J" });
    await importImage(repository, source, { tag: "evil\u202e\u001b[2J" });
    await repository.close();
    symlinkSync(`../../oci-manifest-${OTHER}`, join(path, "streams/refs/oci/\u001b]0;gone"));
    for (const argv of [
      ["oci", "images"],
      ["oci", "images", "--json"],
      ["oci", "inspect", "evil\u202e\u001b[2J"],
    ]) {
      const { status, stdout, stderr } = await run("--repo", path, ...argv);
      expect(status).toBe(0);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
      expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      if (argv[1] === "images") expect(stderr).toContain("[IMAGE_NOT_FOUND]");
    }
  });
});

describe("streams that fail", () => {
  test.each<[string[]]>([
    [["--help"]],
    [["--repo", "REPO", "oci", "images"]],
    [["--repo", "REPO", "cat", `oci-layer-${DIFF_ID}`]],
  ])("%j: stdout that nobody reads is status 0, without a word", async (argv) => {
    const io = { ...fakeIo(), stdout: failingStream("EPIPE") };
    expect(
      await runCli(
        argv.map((arg) => (arg === "REPO" ? repo : arg)),
        io,
      ),
    ).toBe(0);
    expect(io.stderr.text).toBe("");
  });

  test.each<[string[]]>([[["--version"]], [["--repo", "REPO", "oci", "images"]]])(
    "%j: a full disk behind stdout is status 1",
    async (argv) => {
      const io = { ...fakeIo(), stdout: failingStream("ENOSPC") };
      expect(
        await runCli(
          argv.map((arg) => (arg === "REPO" ? repo : arg)),
          io,
        ),
      ).toBe(1);
      expect(io.stderr.text).toContain("[ENOSPC]");
    },
  );

  test.each<[number, string[]]>([
    [1, ["--repo", "/nowhere", "oci", "images"]],
    [2, ["--nonsense"]],
    [0, ["--repo", "REPO", "oci", "images"]],
  ])("status %i although stderr is closed: %j", async (status, argv) => {
    const io = { ...fakeIo(), stderr: failingStream("EPIPE") };
    expect(
      await runCli(
        argv.map((arg) => (arg === "REPO" ? repo : arg)),
        io,
      ),
    ).toBe(status);
    await new Promise(setImmediate);
  });

  test("input that breaks off", async () => {
    const io = fakeIo();
    async function* source(): AsyncGenerator<Uint8Array> {
      yield TAR;
      throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
    }
    const { Readable } = await import("node:stream");
    const status = await runCli(["--repo", repo, "oci", "import-layer", OTHER], {
      ...io,
      stdin: Readable.from(source()),
    });
    expect(status).toBe(1);
    expect(io.stderr.text).toContain("[EIO]");
  });
});

test("a repository that another version wrote may be read, not written", async () => {
  const path = join(dir, "future");
  await run("--repo", path, "init", "--insecure");
  const meta = JSON.parse(readFileSync(join(path, "meta.json"), "utf8")) as { features: Record<string, string[]> };
  meta.features["read-only-compatible"]?.push("from_the_future");
  writeFileSync(join(path, "meta.json"), JSON.stringify(meta));
  expect(await run("--repo", path, "oci", "images")).toMatchObject({ status: 0 });
  const { status, stderr } = await run("--repo", path, "oci", "import-layer", DIFF_ID);
  expect(status).toBe(1);
  expect(stderr).toContain("[REPO_READ_ONLY]");
});
