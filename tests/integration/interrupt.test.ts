import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctlOk, ended, startCfsctl } from "../support/cfsctl.ts";
import { initRepo } from "../support/repo.ts";
import { run } from "../support/run.ts";

const LAYOUT = new URL("../../testdata/oci/layouts/gnu-whiteouts.tar", import.meta.url).pathname;
const NAME = "gnu-whiteouts";

describe.skipIf(requires("cfsctl") !== null).each(["SIGINT", "SIGTERM"] as const)("%s in the middle", (signal) => {
  let directory: string;
  let repo: string;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "interrupt-"));
    repo = await initRepo(join(directory, "repo"), "fsverity-sha256-12");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  test("of a pull through skopeo: neither its copy nor skopeo stays", async () => {
    const [bin, temporary] = [join(directory, "bin"), join(directory, "tmp")];
    for (const path of [bin, temporary]) mkdirSync(path);
    const program = join(bin, "skopeo");
    writeFileSync(
      program,
      `#!/bin/sh\nfor last; do :; done\nmkdir "\${last#*:}"\necho $$ > ${bin}/begun.new\nmv ${bin}/begun.new ${bin}/begun\nexec sleep 60\n`,
    );
    chmodSync(program, 0o755);
    const env = { TMPDIR: temporary, PATH: `${bin}:${process.env.PATH}` };
    const child = startCfsctl(["--repo", repo, "oci", "pull", "sif:x"], { env });
    await until(() => existsSync(join(bin, "begun")));
    expect(readdirSync(temporary)).toHaveLength(1);
    child.kill(signal);
    await ended(child);
    expect(child.signalCode).toBe(signal);
    expect(readdirSync(temporary)).toEqual([]);
    const pid = readFileSync(join(bin, "begun"), "utf8").trim();
    await until(() => !existsSync(`/proc/${pid}`));
  });

  test("of an export: what was begun goes", async () => {
    run("tar", ["-xf", LAYOUT, "-C", directory]);
    await cfsctlOk(["--repo", repo, "oci", "pull", `oci:${join(directory, NAME)}`, "x"]);
    const out = join(directory, "out");
    mkdirSync(out);
    const child = startCfsctl(["--repo", repo, "oci", "export", "x", `oci-archive:${out}/a.tar`]);
    await until(() => readdirSync(out).length > 0);
    child.kill(signal);
    await ended(child);
    if (child.signalCode === null) expect(readdirSync(out)).toEqual(["a.tar"]);
    else expect([child.signalCode, readdirSync(out).filter((name) => name !== "a.tar")]).toEqual([signal, []]);
  });
});

/** Waits for something that comes soon. */
async function until(there: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !there(); i++) await delay(5);
  expect(there()).toBe(true);
}
