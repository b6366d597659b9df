import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { CFSCTL_PATH } from "../support/cfsctl.ts";

const VM = fileURLToPath(new URL("../support/verity-vm", import.meta.url));
/** Around the limit of inline content, of a block, and of a second level of the Merkle tree. */
const SIZES = [64, 65, 4096, 4097, 300_000];

describe.skipIf(requires("verity-vm", "cfsctl") !== null)("mounts of a repository that requires fs-verity", () => {
  let directory: string;
  let tree: string;
  /** What each step printed, by its name. */
  let output: Map<string, string>;

  beforeAll(() => {
    directory = mkdtempSync("/var/tmp/verity-mount-"); // the machine has a /tmp of its own
    tree = join(directory, "tree");
    const other = join(directory, "other");
    for (const root of [tree, other]) mkdirSync(join(root, "usr"), { recursive: true });
    for (const size of SIZES) writeFileSync(join(tree, "usr", `${size}`), Buffer.alloc(size, size % 251));
    writeFileSync(join(other, "usr/file"), "another image");
    // The machine is slow to start: everything happens in one.
    const result = spawnSync(VM, ["-t", "900", "--", "bash", "-c", script(tree, other)], { encoding: "utf8" });
    const steps = result.stdout.split(/^## /m).slice(1);
    output = new Map(steps.map((step) => [step.slice(0, step.indexOf("\n")), step.slice(step.indexOf("\n") + 1)]));
    if (result.status !== 0) throw new Error(`verity-vm: status ${result.status}: ${result.stdout}${result.stderr}`);
  }, 960_000);
  afterAll(() => rmSync(directory, { recursive: true }));

  test("init without --insecure requires it", () => {
    expect(output.get("init")).toContain("  verity:    required");
  });

  test("every object has the digest it is named by", () => {
    const measured = [
      ...lines("objects")
        .join("\n")
        .matchAll(/^sha512:([0-9a-f]+) repo\/objects\/(..)\/([0-9a-f]+)$/gm),
    ];
    expect(measured.map(([, digest]) => digest)).toEqual(measured.map(([, , first, rest]) => `${first}${rest}`));
    // Four files above 64 bytes, and two images.
    expect(measured).toHaveLength(6);
  });

  test("the mount has verity=require and shows the files", () => {
    const [line = ""] = lines("mount");
    expect(line).toMatch(/ - overlay composefs:test ro,/);
    expect(line.split(" ").at(-1)?.split(",")).toContain("verity=require");
    const sums = SIZES.map((size) => `${sha256(readFileSync(join(tree, "usr", `${size}`)))}  mnt/usr/${size}`);
    expect(lines("contents")).toEqual(sums);
  });

  test.each(["an object without fs-verity", "an object with another digest", "a block of an object that changed"])(
    "%s cannot be read, the others can",
    (step) => {
      const text = output.get(step) ?? "";
      expect(text).toContain("mount: status 0");
      expect(text).toMatch(/^cat: mnt\/usr\/\d+: Input\/output error\s*$/m);
      expect(text).toContain("read: status 1, 0 bytes");
      expect(text).toContain("another file: status 0, 4096 bytes");
    },
  );

  test.each([
    ["an image without fs-verity", "VERITY_REQUIRED"],
    ["an image with another digest", "VERITY_MISMATCH"],
  ])("%s is not mounted", (step, code) => {
    for (const name of ["by name", "by id"]) {
      expect(lines(step)).toContainEqual(expect.stringMatching(`^${name}: status 1, Error: image .* \\[${code}\\]$`));
    }
    expect(lines(step).at(-1)).toBe("mounts: 0");
  });

  test("a block of an image that changed is noticed by the kernel when it is read", () => {
    const text = output.get("a block of an image that changed") ?? "";
    expect(text).toMatch(/^mount: status 1, Error: .* \[MOUNT_FAILED\]\s*$/m);
    expect(text).toMatch(/EIO|EUCLEAN/);
    expect(text).toMatch(/^mounts: 0\s*$/m);
    expect(text).toMatch(/^read: cat: repo\/objects\/\S+: Input\/output error\s*$/m);
  });

  test("fsck tells all of it", () => {
    const text = output.get("fsck") ?? "";
    expect(text).toContain("fsck: status 1");
    expect(text).toMatch(/fsck: object-verity-missing: objects\//);
    expect(text).toMatch(/fsck: object-digest-mismatch: objects\//);
  });

  function lines(step: string): string[] {
    const found = output.get(step);
    if (found === undefined) throw new Error(`no step '${step}' in ${[...output.keys()].join(", ")}`);
    return found
      .trimEnd()
      .split("\n")
      .map((line) => line.trimEnd());
  }
});

/** Makes two images, mounts one, then damages objects and the image, each put right again before the next. */
function script(tree: string, other: string): string {
  return `
    set -e
    echo 1 > /proc/sys/kernel/printk # its messages would come between these lines
    cfsctl() { '${process.execPath}' '${CFSCTL_PATH}' --repo repo "$@"; }
    object() { echo "repo/objects/\${1:0:2}/\${1:2}"; }
    digest() { fsverity digest --hash-alg=sha512 --compact "$1"; }
    # Replaces an object, named first, by the content of a file, with fs-verity if there is a third word.
    replace() { rm "$1"; cp "$2" "$1"; if [ $# = 3 ]; then fsverity enable --hash-alg=sha512 "$1"; fi; }
    # Overwrites the first block of a file on the disk itself, and forgets what is cached of it.
    damage() {
      sync
      block=$(filefrag -b4096 -v "$1" | awk '$1 == "0:" { sub(/\\.\\..*/, "", $4); print $4 }')
      head -c 4096 /dev/zero | tr '\\0' X | dd of=/dev/vda bs=4096 seek="$block" conv=notrunc,fsync status=none
      echo 3 > /proc/sys/vm/drop_caches
    }
    mounts() { grep -c ' composefs:' /proc/self/mountinfo || true; }
    # Mounts, and reads a file that was tampered with and one that was not.
    read_both() {
      status=0; cfsctl mount test mnt || status=$?; echo "mount: status $status"
      status=0; cat "mnt/usr/$1" > /tmp/read 2> /tmp/error || status=$?
      cat /tmp/error; echo "read: status $status, $(stat -c %s /tmp/read) bytes"
      status=0; cat mnt/usr/4096 > /tmp/read || status=$?
      echo "another file: status $status, $(stat -c %s /tmp/read) bytes"
      umount mnt
    }
    refused() { status=0; cfsctl mount "$2" mnt 2> /tmp/error || status=$?; echo "$1: status $status, $(cat /tmp/error)"; }

    echo '## init'; cfsctl init; mkdir mnt
    id=$(cfsctl create-image '${tree}' test); id=\${id#sha512:}
    another=$(cfsctl create-image '${other}' other); another=$(object "\${another#sha512:}")
    echo '## objects'; for file in repo/objects/*/*; do fsverity measure "$file"; done
    echo '## mount'; cfsctl mount test mnt; grep ' composefs:' /proc/self/mountinfo
    echo '## contents'; sha256sum $(ls -v mnt/usr/*); umount mnt

    file=$(object "$(digest '${tree}/usr/65')")
    echo '## an object without fs-verity'; replace "$file" '${tree}/usr/65'; read_both 65
    file=$(object "$(digest '${tree}/usr/300000')")
    echo '## an object with another digest'; replace "$file" '${other}/usr/file' verity; read_both 300000
    echo '## a block of an object that changed'; damage "$(object "$(digest '${tree}/usr/4097')")"; read_both 4097

    image=$(object "$id"); cp "$image" image
    echo '## an image without fs-verity'; replace "$image" image
    refused 'by name' test; refused 'by id' "$id"; echo "mounts: $(mounts)"
    echo '## an image with another digest'; replace "$image" "$another" verity
    refused 'by name' test; refused 'by id' "$id"; echo "mounts: $(mounts)"
    echo '## fsck'; status=0; cfsctl fsck || status=$?; echo "fsck: status $status"
    echo '## a block of an image that changed'; replace "$image" image verity; damage "$image"
    refused mount test; echo "mounts: $(mounts)"; echo "read: $(cat "$image" 2>&1 > /dev/null)"
  `;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
