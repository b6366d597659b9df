import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { CFSCTL_PATH } from "../support/cfsctl.ts";

const DOCUMENT = readFileSync(new URL("../../docs/commands.md", import.meta.url), "utf8");
const examples = [...DOCUMENT.matchAll(/^## (.*)\n(?:(?!^## )[\s\S])*?^```sh\n([\s\S]*?)^```$/gm)];

describe.skipIf(requires("cfsctl") !== null)("the examples of docs/commands.md work", () => {
  test.each(examples.map(([, group, script]) => ({ group, script })))("$group", ({ script }) => {
    const dir = mkdtempSync(join(tmpdir(), "cfsctl-examples-"));
    try {
      mkdirSync(join(dir, "tree/usr"), { recursive: true });
      writeFileSync(join(dir, "tree/usr/file"), Buffer.alloc(500, "x"));
      const prelude = 'set -e -o pipefail; cfsctl() { "$NODE" "$CFSCTL" "$@"; };';
      const { status, stderr } = spawnSync("bash", ["-c", `${prelude}\n${script}`], {
        cwd: dir,
        encoding: "utf8",
        env: { ...process.env, NODE: process.execPath, CFSCTL: CFSCTL_PATH },
      });
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test("there are some", () => expect(examples.length).toBeGreaterThan(3));
});
