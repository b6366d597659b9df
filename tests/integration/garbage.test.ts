import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { initRepo } from "../support/repo.ts";

const LOOP = "objects/00/".concat("b".repeat(62));
const FIFO = "objects/00/".concat("c".repeat(62));
const ODD_NAME = "evil\n\u001b[31mred";

/** What is done to a repository, and what the commands then say: a code, or a part of their output with status 0. */
interface Case {
  readonly what: string;
  readonly damage: (repo: string, image: string) => void;
  readonly expected: Readonly<Record<string, string>>;
}

const fifo = (path: string): void => void execFileSync("mkfifo", [path]);
const replace = (path: string, by: (path: string) => void): void => {
  rmSync(path, { recursive: true });
  by(path);
};
const CASES: readonly Case[] = [
  {
    what: "names in objects/ that are none",
    damage: (repo) => {
      mkdirSync(join(repo, "objects/00"), { recursive: true });
      for (const name of ["objects/zz", "objects/00/short", `objects/00/${ODD_NAME}`]) {
        writeFileSync(join(repo, name), "x");
      }
      symlinkSync("loop", join(repo, LOOP));
      fifo(join(repo, FIFO));
    },
    expected: {
      fsck: "objects/00/evil\\x0a\\x1b[31mred",
      "fsck --metadata-only": "status: ok",
      gc: "object-invalid-name: objects/00/short",
      "dump-files app": "/usr/large 500 ",
      "create-image TREE b": "sha256:",
    },
  },
  {
    what: "a file and a loop in place of directories of objects",
    damage: (repo) => {
      for (const name of ["objects/00", "objects/01"]) rmSync(join(repo, name), { recursive: true, force: true });
      writeFileSync(join(repo, "objects/00"), "x");
      symlinkSync("01", join(repo, "objects/01"));
    },
    expected: {
      fsck: "unexpected-file-type: objects/01: Symlink",
      gc: "unexpected-file-type: objects/00: RegularFile",
      images: "app",
    },
  },
  {
    what: "a file in place of objects/",
    damage: (repo) => replace(join(repo, "objects"), (path) => writeFileSync(path, "x")),
    expected: {
      fsck: "unexpected-file-type: objects: RegularFile",
      gc: "REPO_CORRUPT",
      "dump-files app": "REPO_CORRUPT",
      "mount app /": "REPO_CORRUPT",
      "create-image TREE": "REPO_CORRUPT",
    },
  },
  {
    what: "objects/ on another disk",
    damage: (repo) => {
      renameSync(join(repo, "objects"), join(repo, "..", "elsewhere"));
      symlinkSync("../elsewhere", join(repo, "objects"));
    },
    expected: {
      fsck: "status: ok",
      gc: "Objects: 0 removed",
      "dump-files app": "/usr/large 500 ",
      "create-image TREE": "sha256:",
    },
  },
  ...(["images", "images/refs"] as const).map((name) => ({
    what: `a file in place of ${name}`,
    damage: (repo: string) => replace(join(repo, name), (path) => writeFileSync(path, "x")),
    expected: {
      fsck: `entry-not-symlink: ${name}`,
      gc: "REPO_CORRUPT",
      images: "No images found",
      "images rm app": "REF_NOT_FOUND",
      "create-image TREE b": "ENOTDIR",
    },
  })),
  {
    what: "links in images/ that lead to no object",
    damage: (repo) => {
      symlinkSync("loop", join(repo, "images/loop"));
      symlinkSync("/etc/passwd", join(repo, "images/passwd"));
      writeFileSync(join(repo, "images/plain"), "x");
      symlinkSync("../../../../etc/passwd", join(repo, "images/refs/up"));
      symlinkSync("self", join(repo, "images/refs/self"));
      symlinkSync("../a", Buffer.from(`${repo}/images/refs/\xfe`, "latin1"));
    },
    expected: {
      fsck: "stat-failed: images/refs/self: ELOOP",
      gc: "image-open-failed: images/passwd",
      images: "app",
      "dump-files loop": "REPO_CORRUPT",
      "dump-files up": "REPO_CORRUPT",
      "dump-files self": "IMAGE_NOT_FOUND",
      "image-objects plain": "IMAGE_NOT_FOUND",
      "images rm up": "Removed image name up",
    },
  },
  {
    what: "streams that are none",
    damage: (repo, image) => {
      mkdirSync(join(repo, "streams/refs/oci"), { recursive: true });
      writeFileSync(join(repo, "streams/plain"), "x");
      symlinkSync("/etc/passwd", join(repo, "streams/pw"));
      symlinkSync(`../objects/${image.slice(0, 2)}/${image.slice(2)}`, join(repo, "streams/image"));
      symlinkSync("../../oci-manifest-sha256:0", join(repo, "streams/refs/oci/gone"));
      symlinkSync("../image", join(repo, "streams/refs/image"));
    },
    expected: {
      fsck: "stream-open-failed: streams/image",
      gc: "stream-open-failed: streams/image",
      "streams ls": "image",
      "cat image": "STREAM_CORRUPT",
      "cat pw": "REPO_CORRUPT",
      "cat plain": "STREAM_NOT_FOUND",
      "oci images": "No images found",
      "oci inspect gone": "IMAGE_NOT_FOUND",
      "streams rm image": "Removed stream name image",
    },
  },
  ...(
    [
      ["a fifo", fifo],
      ["a directory", mkdirSync],
      ["a loop", (path: string) => symlinkSync("x", path)],
      ["an endless device", (path: string) => symlinkSync("/dev/zero", path)],
    ] as const
  ).map(([what, make]) => ({
    what: `${what} in place of an image's object`,
    damage: (repo: string, image: string) => replace(objectFile(repo, image), make),
    expected: {
      "dump-files app": "OBJECT_CORRUPT",
      "mount app /": "OBJECT_CORRUPT",
      "fsck --metadata-only": "REPO_CORRUPT",
      "gc -n": "REPO_CORRUPT",
      "create-image TREE app": what === "a directory" ? "REPO_CORRUPT" : "sha256:",
    },
  })),
  {
    what: "an image's object that is larger than any image",
    damage: (repo, image) => truncateSync(objectFile(repo, image), 5 * 2 ** 30),
    expected: { "fsck --metadata-only": "image-open-failed: images/", "gc -n": "image-read-failed: images/" },
  },
  ...(
    [
      ["empty", (path: string) => writeFileSync(path, "")],
      ["a list", (path: string) => writeFileSync(path, "[]")],
      ["2 MiB of space", (path: string) => writeFileSync(path, Buffer.alloc(2 ** 21, " "))],
      ["a directory", mkdirSync],
      ["a fifo", fifo],
      ["a loop", (path: string) => symlinkSync("meta.json", path)],
      ["an endless device", (path: string) => symlinkSync("/dev/zero", path)],
    ] as const
  ).map(([what, make]) => ({
    what: `a meta.json that is ${what}`,
    damage: (repo: string) => replace(join(repo, "meta.json"), make),
    expected: {
      images: "REPO_METADATA_INVALID",
      fsck: "REPO_METADATA_INVALID",
      "init --insecure": "REPO_METADATA_INVALID",
    },
  })),
];

function objectFile(repo: string, id: string): string {
  return join(repo, "objects", id.slice(0, 2), id.slice(2));
}

describe.skipIf(requires("cfsctl") !== null)("garbage in a repository", () => {
  let dir: string;
  let sound: string;
  let tree: string;
  let image: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "cfsctl-garbage-"));
    tree = join(dir, "tree");
    mkdirSync(join(tree, "usr"), { recursive: true });
    writeFileSync(join(tree, "usr/large"), Buffer.alloc(500, "x"));
    sound = await initRepo(join(dir, "sound"), "fsverity-sha256-12");
    const { stdout } = await cfsctlOk(["--repo", sound, "create-image", tree, "app"]);
    image = stdout.trim().replace("sha256:", "");
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test.each(CASES)("$what", async ({ damage, expected }) => {
    for (const [command, outcome] of Object.entries(expected)) {
      const place = mkdtempSync(join(dir, "case-"));
      const repo = join(place, "repo");
      cpSync(sound, repo, { recursive: true, verbatimSymlinks: true });
      damage(repo, image);
      const args = command.split(" ").map((arg) => (arg === "TREE" ? tree : arg));
      const { exitCode, stdout, stderr } = await cfsctl(["--repo", repo, ...args]);
      const isCode = /^[A-Z_]+$/.test(outcome);
      const all = stdout + stderr;
      expect(all, command).toContain(isCode ? `[${outcome}]` : outcome);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: nothing may act on the terminal
      expect(all, command).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]|\/proc\/self/);
      const failed = isCode || /[a-z]-[a-z-]+: /.test(outcome) || outcome.includes("\\x");
      expect(exitCode, `${command}: ${all}`).toBe(failed ? 1 : 0);
      if (command === "gc") expect(existsSync(join(repo, "objects"))).toBe(true);
      rmSync(place, { recursive: true });
    }
  });

  test("gc with garbage about removes what is dead, and nothing else", async () => {
    const repo = join(dir, "both");
    cpSync(sound, repo, { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(tree, "usr/other"), Buffer.alloc(700, "y"));
    await cfsctlOk(["--repo", repo, "create-image", tree]);
    mkdirSync(join(repo, "objects/00"), { recursive: true });
    writeFileSync(join(repo, "objects/00/short"), "x");
    writeFileSync(join(repo, "images/plain"), "x");
    const { exitCode, stdout } = await cfsctl(["--repo", repo, "gc"]);
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^Objects: 2 removed \(\d+ bytes\)\nPruned symlinks: 1 images, 0 streams\n$/);
    expect(existsSync(objectFile(repo, image))).toBe(true);
    expect(readdirSync(join(repo, "images")).sort()).toEqual([image, "plain", "refs"]);
    await cfsctlOk(["--repo", repo, "dump-files", "app"]);
  });
});
