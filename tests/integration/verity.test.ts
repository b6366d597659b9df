import { execFileSync, spawnSync } from "node:child_process";
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

describe.skipIf(requires("verity-vm", "cfsctl") !== null)("a kernel with fs-verity", () => {
  let directory: string;
  let output: string;
  let diffId: string;

  beforeAll(() => {
    directory = mkdtempSync("/var/tmp/verity-test-"); // the machine has a /tmp of its own;
    const tree = join(directory, "tree");
    mkdirSync(tree);
    for (const size of SIZES) writeFileSync(join(tree, `${size}`), Buffer.alloc(size, size % 251));
    const tar = join(directory, "layer.tar");
    execFileSync("tar", ["-C", tree, "--sort=name", "-cf", tar, "."]);
    diffId = `sha256:${createHash("sha256").update(readFileSync(tar)).digest("hex")}`;
    const script = `
      set -e
      cfsctl() { '${process.execPath}' '${CFSCTL_PATH}' "$@"; }
      cfsctl --repo repo init
      cfsctl --repo repo --require-verity oci import-layer '${diffId}' < '${tar}'
      cfsctl --repo repo cat 'oci-layer-${diffId}' | sha256sum
      for file in repo/meta.json repo/objects/*/*; do fsverity measure "$file"; done
      mkdir /run/tmpfs && mount -t tmpfs tmpfs /run/tmpfs
      status=0; cfsctl --repo /run/tmpfs/repo init 2>&1 || status=$?
      echo "tmpfs: status $status, left: $(ls -A /run/tmpfs)"
    `;
    const result = spawnSync(VM, ["-t", "540", "--", "bash", "-c", script], { encoding: "utf8" });
    output = result.stdout;
    if (result.status !== 0) throw new Error(`verity-vm: status ${result.status}: ${output}${result.stderr}`);
  }, 600_000);
  afterAll(() => rmSync(directory, { recursive: true }));

  test("init requires fs-verity", () => {
    expect(output).toContain("  verity:    required");
  });

  test("every object has the digest it is named by", () => {
    const measured = [
      ...output.matchAll(/^sha512:([0-9a-f]{128}) repo\/objects\/([0-9a-f]{2})\/([0-9a-f]{126})\s*$/gm),
    ];
    expect(measured.map(([, digest]) => digest)).toEqual(measured.map(([, , first, rest]) => `${first}${rest}`));
    // Four files above 64 bytes, and the layer's splitstream.
    expect(measured).toHaveLength(5);
    expect(output).toMatch(/^sha512:[0-9a-f]{128} repo\/meta\.json/m);
  });

  test("the layer comes back", () => {
    expect(output).toContain(`${diffId.slice("sha256:".length)}  -`);
  });

  test("init where there is no fs-verity fails, says what to do, and leaves nothing", () => {
    expect(output).toContain("[VERITY_UNSUPPORTED]");
    expect(output).toMatch(/^Hint: .*--insecure/m);
    expect(output).toMatch(/^tmpfs: status 1, left: \s*$/m);
  });
});
