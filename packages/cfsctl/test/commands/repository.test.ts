import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ObjectId, Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { fakeImage } from "../../../composefs-oci/test/fake-image.ts";
import { runCli } from "../../src/main.ts";
import { fakeIo } from "../fake-io.ts";

const NOTHING = "0".repeat(64);

let dir: string;
let repo: string;
let tree: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "cfsctl-commands-"));
  repo = join(dir, "repo");
  tree = join(dir, "tree");
  mkdirSync(join(tree, "usr"), { recursive: true });
  writeFileSync(join(tree, "usr/large"), Buffer.alloc(500, "x"));
  writeFileSync(join(tree, "usr/small"), "small\n");
  expect((await run("--hash", "sha256", "init", "--insecure")).status).toBe(0);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Runs a command on the repository. */
async function run(...argv: string[]) {
  return withInput(Buffer.alloc(0), ...argv);
}

async function withInput(input: Uint8Array, ...argv: string[]) {
  const io = fakeIo([input]);
  const status = await runCli(["--repo", repo, ...argv], io);
  return { status, stdout: io.stdout.text, stderr: io.stderr.text };
}

/** Makes an image and gives its id. */
async function createImage(...args: string[]): Promise<string> {
  const { stdout, status } = await run("create-image", tree, ...args);
  expect(status).toBe(0);
  return stdout.replace(/^sha256:(.*)\n$/, "$1");
}

describe("usage errors: status 2, nothing on stdout", () => {
  test.each<[string[]]>([
    [["create-image"]],
    [["create-image", "a", "b", "c"]],
    [["create-image", "--xattrs", "all", "a"]],
    [["create-image", "--xattrs", "allowlist-only", "--xattrs", "allowlist-only", "a"]],
    [["compute-id"]],
    [["compute-karg", "--bootable", "a"]],
    [["compute-karg", "--xattrs", "allowlist-only", "a"]],
    [["create-dumpfile"]],
    [["images", "nonsense"]],
    [["images", "rm"]],
    [["image-objects"]],
    [["dump-files"]],
    [["import-image"]],
    [["mount", "app"]],
    [["mount", "app", "m", "--fuse", "maybe"]],
    [["mount", "app", "m", "--upperdir", "u"]],
    [["mount", "app", "m", "--workdir", "w"]],
    [["mount", "app", "m", "--read-write"]],
    [["gc", "root"]],
    [["gc", "--wait", "soon"]],
    [["gc", "--wait=-1"]],
    [["gc", "--why", NOTHING, "--dry-run"]],
    [["gc", "--root"]],
    [["fsck", "--repair", "--wait", ""]],
    [["streams", "nonsense"]],
    [["streams", "rm"]],
    [["transaction", "x"]],
  ])("%j", async (argv) => {
    const { status, stdout, stderr } = await run(...argv);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: /);
  });

  test("streams alone shows the help", async () => {
    const { status, stdout, stderr } = await run("streams");
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain("Usage: cfsctl streams");
  });
});

describe("failures: status 1, a code on stderr, nothing on stdout, no name in the repository", () => {
  test.each<[string, string[]]>([
    ["ENOENT", ["create-image", "/nowhere", "app"]],
    ["TREE_INVALID", ["create-image", "TREE/usr", "app"]],
    ["TREE_INVALID", ["create-image", "--bootable", "TREE", "app"]],
    ["REF_INVALID", ["create-image", "TREE", "../app"]],
    ["REF_INVALID", ["create-image", "TREE", "refs/"]],
    ["REF_INVALID", ["import-image", "a//b"]],
    ["IMAGE_INVALID", ["import-image", "app"]],
    ["REF_NOT_FOUND", ["images", "rm", "app"]],
    ["REF_INVALID", ["images", "rm", ".."]],
    ["REF_NOT_FOUND", ["streams", "rm", "app"]],
    ["IMAGE_NOT_FOUND", ["image-objects", "app"]],
    ["IMAGE_NOT_FOUND", ["image-objects", `sha512:${NOTHING}`]],
    ["IMAGE_NOT_FOUND", ["dump-files", NOTHING]],
    ["IMAGE_NOT_FOUND", ["mount", "app", "m"]],
    ["MOUNT_FAILED", ["mount", "app", "m", "--fuse=yes"]],
    ["REF_NOT_FOUND", ["gc", "-r", "app"]],
    ["REF_NOT_FOUND", ["gc", "-n", "--root", NOTHING]],
    ["DIGEST_INVALID", ["gc", "--why", "app"]],
    ["OBJECT_NOT_FOUND", ["gc", "--why", "00000000"]],
  ])("%s: %j", async (code, argv) => {
    const { status, stdout, stderr } = await run(...argv.map((arg) => arg.replace("TREE", tree)));
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr.split("\n")[0]).toMatch(new RegExp(`^Error: .*\\[${code}\\]$`));
    expect((await run("images", "--json")).stdout).toBe('{\n  "images": []\n}\n');
  });

  test.each(["gc", "fsck", "images", "create-image", "transaction"])("--no-repo %s", async (command) => {
    const io = fakeIo();
    const args = command === "create-image" ? [command, tree] : [command];
    expect(await runCli(["--no-repo", ...args], io)).toBe(1);
    expect(io.stderr.text).toMatch(/^Error: --no-repo is only supported for .*\[REPO_REQUIRED\]\n/);
  });
});

describe("the format of computed ids", () => {
  test("is the repository's, as that of create-image", async () => {
    for (const version of ["0", "1", "2"] as const) {
      repo = join(dir, `v${version}`);
      await run("--hash", "sha256", "init", "--insecure", "--erofs-version", version);
      expect((await run("compute-id", tree)).stdout).toBe(`${await createImage()}\n`);
      expect((await run("--erofs-version", "2", "compute-id", tree)).stdout).toBe(
        (await run("--erofs-version", "2", "create-image", tree)).stdout.replace("sha256:", ""),
      );
    }
  });

  test("is sha512 where the repository has another hash than --hash, and an error where meta.json is damaged", async () => {
    const { stdout } = await run("--hash", "sha512", "compute-id", tree);
    expect(stdout).toMatch(/^[0-9a-f]{128}\n$/);
    writeFileSync(join(repo, "meta.json"), "{");
    const { status, stderr } = await run("compute-id", tree);
    expect(status).toBe(1);
    expect(stderr).toContain("[REPO_METADATA_INVALID]");
  });

  test("all formats of the repository are stored, the default gets the name", async () => {
    const meta = readFileSync(join(repo, "meta.json"), "utf8");
    writeFileSync(join(repo, "meta.json"), meta.replace('"default": 1', '"default": 1, "extra": [0, 2]'));
    const id = await createImage("app");
    expect(readdirSync(join(repo, "images"))).toHaveLength(4);
    expect(readlinkSync(join(repo, "images/refs/app"))).toBe(`../${id}`);
  });
});

test("a tree with an SELinux policy is labelled by it, whether its files are small or large", async () => {
  const files = "etc/selinux/targeted/contexts/files";
  for (const name of ["boot", "sysroot", files]) mkdirSync(join(tree, name), { recursive: true });
  const config = join(tree, "etc/selinux/config");
  const labels = async (): Promise<Set<string | undefined>> => {
    const { status, stdout } = await run("create-dumpfile", "--bootable", tree);
    expect(status).toBe(0);
    return new Set(
      stdout
        .trimEnd()
        .split("\n")
        .map((line) => /security\.selinux=(\S+)/.exec(line)?.[1]),
    );
  };
  writeFileSync(config, "# none\nSELINUX=disabled\n");
  expect(await labels()).toEqual(new Set([undefined]));
  for (const text of ["SELINUXTYPE=targeted\n", `# ${"long ".repeat(50)}\n selinuxtype = targeted \n`]) {
    writeFileSync(config, text);
    rmSync(join(tree, files, "file_contexts"), { force: true });
    for (const argv of [["compute-karg"], ["compute-id", "--bootable"], ["create-image", "--bootable"]]) {
      const { status, stdout, stderr } = await run(...argv, tree);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toContain("[SELINUX_POLICY_INVALID]");
    }
    writeFileSync(join(tree, files, "file_contexts"), `# ${"long ".repeat(50)}\n/.* a:b:c\n/ d:e:f\n`);
    expect(await labels()).toEqual(new Set(["a:b:c", "d:e:f"]));
    const { stdout: id } = await run("compute-id", "--bootable", tree);
    expect(await run("compute-karg", tree)).toMatchObject({ stdout: `composefs.digest=v1-sha256-12:${id}` });
    expect(await run("create-image", "--bootable", tree)).toMatchObject({ stdout: `sha256:${id}` });
  }
});

describe("D7, D8: names of images", () => {
  test("what is no image gets no name; one that has can be removed", async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("no image"), Buffer.alloc(8192)]) {
      expect(await withInput(bytes, "import-image", "bad")).toMatchObject({ status: 1, stdout: "" });
    }
    expect(existsSync(join(repo, "images/refs/bad"))).toBe(false);
    const id = await createImage();
    const image = readFileSync(join(repo, "images", id));
    expect(await withInput(image, "import-image", "refs/copy")).toMatchObject({ stdout: `sha256:${id}\n` });
    expect(readlinkSync(join(repo, "images/refs/copy"))).toBe(`../${id}`);
    expect(await run("images", "rm", "refs/copy")).toMatchObject({ stdout: "Removed image name copy\n", status: 0 });
    expect(await run("gc")).toMatchObject({ status: 0 });
    expect(readdirSync(join(repo, "images"))).toEqual(["refs"]);
  });

  test("a bad image that has a name is reported, kept, and stops nothing", async () => {
    await createImage();
    const rubbish = Buffer.alloc(8192, "rubbish");
    const { Repository } = await import("@composefs/core");
    const repository = await Repository.open(repo);
    const id = await repository.storeImage(rubbish, { name: "bad", checked: true });
    await repository.close();
    const { status, stdout, stderr } = await run("gc");
    expect(status).toBe(1);
    expect(stdout).toMatch(/^Objects: 2 removed \(\d+ bytes\)\nPruned symlinks: 1 images, 0 streams\n$/);
    expect(stderr).toContain(`gc: image-invalid: images/${id}: `);
    expect(readdirSync(join(repo, "images")).sort()).toEqual([id, "refs"]);
  });
});

describe("D10: one resolver", () => {
  test("names of an image", async () => {
    const id = await createImage("refs/my/app");
    const expected = (await run("dump-files", id)).stdout;
    expect(expected).toMatch(/^\/ 0 40755 /);
    for (const name of ["my/app", "refs/my/app", `sha256:${id}`, id.slice(0, 8), `sha256:${id.slice(0, 12)}`]) {
      expect(await run("dump-files", name)).toEqual({ status: 0, stdout: expected, stderr: "" });
      expect((await run("image-objects", name)).stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      expect((await run("gc", "-n", "-r", name)).stdout).toContain("Objects: 0 removed");
    }
    expect(await run("dump-files", id.slice(0, 7))).toMatchObject({ status: 1 });
  });

  test("streams and tags", async () => {
    const tar = Buffer.alloc(1024);
    const diffId = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    await withInput(tar, "oci", "import-layer", diffId, "my/layer");
    await withInput(tar, "oci", "import-layer", diffId);
    symlinkSync("../oci-layer-gone", join(repo, "streams/refs/dangling"));
    const { stdout, stderr } = await run("streams", "ls");
    expect(stdout).toContain(`│ oci-layer-${diffId} ┆ my/layer │`);
    expect(stderr).toBe("Ref dangling leads nowhere: there is no stream oci-layer-gone\n");
    expect(JSON.parse((await run("streams", "ls", "--json")).stdout)).toEqual({
      streams: [{ name: `oci-layer-${diffId}`, refs: ["my/layer"] }],
    });
    expect(await run("streams", "rm", "dangling")).toMatchObject({ status: 0 });
    expect(await run("streams", "rm", "refs/my/layer")).toMatchObject({ stdout: "Removed stream name my/layer\n" });
    expect((await run("gc", "-r", `oci-layer-${diffId}`)).stdout).toBe("Objects: 0 removed (0 bytes)\n");
    expect((await run("gc")).stdout).toMatch(/^Objects: 1 removed .*\nPruned symlinks: 0 images, 1 streams\n$/);
    expect((await run("streams", "ls")).stdout).toBe("No streams found\n");
  });
});

test("D10: OCI images as roots of gc, by tag, digest, and digits of it", async () => {
  const { Repository } = await import("@composefs/core");
  const { importImage } = await import("@composefs/oci");
  const repository = await Repository.open(repo);
  const { source, manifestDigest, configDigest } = fakeImage(repository);
  await importImage(repository, source, { tag: "app" });
  await repository.close();
  await run("gc"); // what the import stored on its way
  const nothing = "Objects: 0 removed (0 bytes)\n";
  expect((await run("gc", "-r", "app", "-r", manifestDigest.slice(0, 20))).stdout).toBe(nothing);
  await run("streams", "rm", "refs/oci/app");
  for (const name of [`@${manifestDigest}`, manifestDigest, configDigest, `oci-manifest-${manifestDigest}`]) {
    expect(await run("gc", "-r", name)).toEqual({ status: 0, stdout: nothing, stderr: "" });
  }
  expect(await run("gc", "-r", "app")).toMatchObject({ status: 1, stdout: "" });
  expect((await run("gc", "-n")).stdout).not.toContain("Objects: 0 removed");
});

describe("D12: gc", () => {
  test("an unknown root removes nothing; a dry run has names", async () => {
    const id = await createImage();
    expect(await run("gc", "-r", id.slice(0, 10), "-r", "typo")).toMatchObject({ status: 1, stdout: "" });
    const object = (await run("image-objects", id)).stdout.replace(/^sha256:(.*)\n$/, "$1");
    const { stdout } = await run("gc", "-n");
    expect(stdout.split("\n").slice(0, 4)).toEqual([
      "Dry run (no files deleted):",
      expect.stringMatching(/^Objects: 2 removed \(\d+ bytes\)$/),
      "Pruned symlinks: 1 images, 0 streams",
      `  images/${id}`,
    ]);
    expect(stdout).toContain(`  object ${object} (500 bytes)\n`);
    expect(await run("gc", "--root", id)).toMatchObject({ status: 0, stdout: "Objects: 0 removed (0 bytes)\n" });
    expect((await run("gc")).stdout).toContain("Objects: 2 removed");
  });

  test("why an object is there", async () => {
    const id = await createImage("app");
    const object = (await run("image-objects", id)).stdout.trim();
    const path = `objects/${object.slice(7, 9)}/${object.slice(9)}`;
    const chain = `images/refs/app\n  images/${id}\n    ${path}\n`;
    for (const name of [object, object.slice(7), object.slice(7, 15)]) {
      expect(await run("gc", "--why", name)).toEqual({ status: 0, stdout: chain, stderr: "" });
    }
    await run("images", "rm", "app");
    expect((await run("gc", "--why", object)).stdout).toBe(`Nothing keeps object ${object.slice(7)}\n`);
    expect((await run("gc", "--why", object, "-r", id)).stdout).toBe(`images/${id}\n  ${path}\n`);
  });

  test("waits for others, no longer than told, and says for whom", async () => {
    const holder = spawn("flock", ["--shared", "--no-fork", repo, "sleep", "60"], { stdio: "ignore" });
    await expect.poll(() => readFileSync(`/proc/${holder.pid}/comm`, "utf8")).toBe("sleep\n");
    try {
      const { status, stderr } = await run("gc", "--wait", "0.1");
      expect(status).toBe(1);
      expect(stderr).toContain(`process ${holder.pid} (sleep)`);
      expect(stderr).toContain("[REPO_LOCKED]");
      expect(await run("gc", "--dry-run")).toMatchObject({ status: 0 });
      expect(await run("fsck", "--repair", "--wait", "0")).toMatchObject({ status: 1, stdout: "" });
      const io = fakeIo([]);
      const waiting = runCli(["--repo", repo, "gc"], io);
      const told = `Waiting for process ${holder.pid} (sleep), which uses the repository\n`;
      await expect.poll(() => io.stderr.text).toBe(told);
      expect(io.stdout.text).toBe("");
      holder.kill();
      expect(await waiting).toBe(0);
      expect([io.stdout.text, io.stderr.text]).toEqual(["Objects: 0 removed (0 bytes)\n", told]);
    } finally {
      holder.kill();
    }
  });
});

test("gc --dry-run lists any number of objects", async () => {
  const removed = Array.from({ length: 200_000 }, (_, i) => ({
    id: String(i).padStart(64, "0") as ObjectId,
    sizeBytes: 1,
  }));
  const result = {
    dryRun: true,
    objectsRemoved: removed.length,
    bytesRemoved: removed.length,
    removed,
    pruned: [],
    problems: [],
  };
  const gc = vi.spyOn(Repository.prototype, "gc").mockResolvedValue({ ...result, imagesPruned: 0, streamsPruned: 0 });
  const { status, stdout } = await run("gc", "--dry-run");
  gc.mockRestore();
  expect(status).toBe(0);
  expect(stdout.split("\n")).toHaveLength(removed.length + 3);
});

test("D13: dump-files without a path, and of /, is the whole tree", async () => {
  await createImage("app");
  const { stdout } = await run("create-dumpfile", tree);
  for (const paths of [[], ["/"], ["."], ["//"]]) {
    expect(await run("dump-files", "app", ...paths)).toEqual({ status: 0, stdout, stderr: "" });
  }
  expect(await run("dump-files", "app", "/usr", "/nope")).toMatchObject({ status: 1, stdout: "" });
  expect((await run("dump-files", "app", "--backing-path-only", "/")).stderr).toContain("/ is a directory");
});

describe("fsck", () => {
  test("has status 1 on findings in every form, and repairs broken links", async () => {
    await createImage("app");
    symlinkSync("../nothing", join(repo, "images/refs/broken"));
    for (const form of [[], ["--json"], ["--metadata-only"], ["--json", "--metadata-only"]]) {
      const { status, stdout, stderr } = await run("fsck", ...form);
      expect(status).toBe(1);
      expect(stderr).toMatch(/^Error: repository integrity check failed \[REPO_CORRUPT\]\n/);
      expect(stdout).toContain("fsck: broken-symlink: images/refs/broken");
      if (form[0] === "--json") expect(JSON.parse(stdout)).toMatchObject({ ok: false, broken_links: 1 });
    }
    const { status, stdout } = await run("fsck", "--repair");
    expect(status).toBe(0);
    expect(stdout).toContain("repaired: removed images/refs/broken\n");
    expect((await run("fsck")).stdout).toBe(
      "meta.json: ok\nobjects: 2/2 ok\nstreams: 0/0 ok\nimages: 1/1 ok\nstatus: ok\n",
    );
  });

  test("names cannot play with the terminal", async () => {
    await createImage("app");
    symlinkSync("../\u001b[2J", join(repo, "images/refs/\u001b]0;x\u0007"));
    for (const argv of [["fsck"], ["fsck", "--json"], ["gc"], ["images"]]) {
      const { stdout, stderr } = await run(...argv);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what this is about
      expect(stdout + stderr).not.toMatch(/[\u001b\u0007]/);
    }
  });
});
