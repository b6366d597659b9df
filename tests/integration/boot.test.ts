import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { type LoopFs, mountLoopFs } from "../support/loop-fs.ts";
import { initRepo, pullJson } from "../support/repo.ts";
import { streamLinks, streamRefs } from "../support/repo-state.ts";
import { run } from "../support/run.ts";
import { testStore } from "../support/store.ts";
import { buildImage } from "../support/store-builder.ts";

const POLICY = "/.* system_u:object_r:default_t:s0\n/usr(/.*)? system_u:object_r:usr_t:s0\n/usr/(?!lib).* -d bin_t\n";

/** A system with an SELinux policy and a boot loader entry, small. */
function writeSystem(root: string): void {
  const files = {
    "etc/selinux/config": "SELINUXTYPE=targeted\n",
    "etc/selinux/targeted/contexts/files/file_contexts": POLICY,
    "boot/loader/entries/os.conf": "title OS\nlinux /boot/os/vmlinuz\noptions quiet\n",
    "boot/os/vmlinuz": "k".repeat(5000),
    "usr/bin/tool": "t".repeat(100),
    "usr/lib/os-release": "ID=test\n",
  };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, dirname(name)), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  mkdirSync(join(root, "sysroot"));
}

describe.skipIf(requires("xfs", "buildah", "cfsctl") !== null)(
  "an image to boot, from podman's store to the boot partition",
  () => {
    let fs: LoopFs;
    let repo: string;
    let reference: string;

    beforeAll(async () => {
      fs = mountLoopFs("xfs");
      repo = await initRepo(join(fs.path, "sysroot/composefs"), "fsverity-sha256-12");
      reference = buildImage(testStore(join(fs.path, "podman")), "localhost/os:latest", [writeSystem]);
    }, 120_000);
    afterAll(() => fs?.dispose());

    test("wrong use of --expected-digest is refused before anything is fetched", async () => {
      const image = "containers-storage:localhost/no-such-image";
      for (const args of [
        ["--expected-digest", "0".repeat(64)],
        ["--bootable", "--expected-digest", "xyz"],
        ["--bootable", "--expected-digest", "0".repeat(128)],
      ]) {
        const { exitCode, stderr } = await cfsctl(["--repo", repo, "oci", "pull", ...args, image, "os"]);
        expect({ exitCode, first: stderr.slice(0, 7) }).toEqual({ exitCode: 2, first: "error: " });
      }
    });

    test("it is pulled, checked against its id, listed, dumped with labels and prepared", async () => {
      const pull = ["--repo", repo, "oci", "pull", "--bootable"];
      const source = `containers-storage:${reference}`;
      const wrong = await cfsctl([...pull, "--expected-digest", "0".repeat(64), source, "os"]);
      expect(wrong.exitCode).toBe(1);
      expect(wrong.stderr).toContain("[BOOT_IMAGE_MISMATCH]");
      expect([streamLinks(repo), streamRefs(repo)]).toEqual([{}, []]);

      const first = await pullJson(repo, reference, ["--bootable"]);
      const id = first.boot_image as string;
      expect(id).toMatch(/^[0-9a-f]{64}$/);
      expect(id).not.toBe(first.image);
      expect(await pullJson(repo, reference, ["--bootable"])).toMatchObject({ boot_image: id, changed: false });
      expect(await pullJson(repo, reference)).toMatchObject({ boot_image: null, changed: false });
      const text = (await cfsctlOk([...pull, source, "os"])).stdout;
      expect(text.trimEnd().split("\n").at(-1)).toBe(`Boot image: ${id}`);
      const expected = (await cfsctlOk([...pull, "--expected-digest", id.toUpperCase(), source, "os"])).stdout;
      expect(expected).toMatch(new RegExp(`\nBoot image: ${id} \\(xattr-mode=allowlist-only, format-version=V1\\)\n$`));

      const inspected = JSON.parse((await cfsctlOk(["--repo", repo, "oci", "inspect", "os"])).stdout) as object;
      expect(inspected).toMatchObject({ composefs_erofs: first.image, composefs_boot_erofs: id });
      const { stdout: dump } = await cfsctlOk(["--repo", repo, "oci", "dump", "--bootable", "os"]);
      const labels = Object.fromEntries(
        dump
          .trimEnd()
          .split("\n")
          .map((line) => [line.split(" ")[0], /security\.selinux=(\S+)/.exec(line)?.[1]]),
      );
      expect(labels).toMatchObject({
        "/": "system_u:object_r:default_t:s0",
        "/boot": "system_u:object_r:default_t:s0",
        "/usr": "system_u:object_r:usr_t:s0",
        "/usr/bin": "bin_t",
        "/usr/bin/tool": "system_u:object_r:usr_t:s0",
        "/usr/lib": "system_u:object_r:usr_t:s0",
      });
      expect(Object.keys(labels)).not.toContain("/boot/os");

      const boot = join(fs.path, "bootdir");
      await cfsctlOk(["--repo", repo, "oci", "prepare-boot", "os", "--bootdir", boot, "--cmdline", "root=UUID=1"]);
      expect(readFileSync(join(boot, "boot/os/vmlinuz"), "utf8")).toBe("k".repeat(5000));
      expect(readFileSync(join(boot, "loader/entries/os.conf"), "utf8")).toBe(
        `title OS\nlinux /boot/os/vmlinuz\noptions quiet composefs.digest=?v1-sha256-12:${id} root=UUID=1\n`,
      );
      expect(readdirSync(join(fs.path, "sysroot/state/deploy"))).toEqual([id]);
      await cfsctlOk(["--repo", repo, "oci", "fsck"]);
    });

    test.skipIf(requires("erofs", "overlay") !== null)("it is mounted with its labels and an empty /boot", async () => {
      const at = join(fs.path, "mnt");
      mkdirSync(at);
      await cfsctlOk(["--repo", repo, "oci", "mount", "--bootable", "os", at]);
      try {
        expect(readdirSync(join(at, "boot"))).toEqual([]);
        expect(readFileSync(join(at, "usr/bin/tool"), "utf8")).toBe("t".repeat(100));
      } finally {
        run("umount", [at]);
      }
    });
  },
);
