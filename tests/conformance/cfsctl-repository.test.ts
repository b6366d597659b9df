import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initRepository } from "@composefs/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "../../packages/cfsctl/src/main.ts";
import { fakeIo } from "../../packages/cfsctl/test/fake-io.ts";
import { requires } from "../support/capabilities.ts";
import { run } from "../support/run.ts";

/** A command and its answer, or a file that is taken away from the repository. */
type Step =
  | { readonly args: readonly string[]; readonly stdout: string; readonly status: number }
  | { readonly remove: string };

/** Recorded with composefs-rs 0.9.4; `about` in the file says how. */
const recorded = JSON.parse(
  readFileSync(new URL("../../testdata/repository/commands.json", import.meta.url), "utf8"),
) as { tree: string; hash: Record<"sha256" | "sha512", readonly Step[]> };

// Owners are in every image, and the tree has a device.
describe.skipIf(requires("root") !== null)("commands answer as the reference", () => {
  let dir: string;
  let tree: string;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "cfsctl-repository-"));
    tree = join(dir, "tree");
    mkdirSync(tree);
    run("sh", ["-c", `cd "$0" && ${recorded.tree}`, tree]);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const cli = async (...args: string[]) => {
    const io = fakeIo();
    const status = await runCli(args, io);
    return { stdout: io.stdout.text, status, stderr: io.stderr.text };
  };

  describe.each(["sha256", "sha512"] as const)("%s", (hash) => {
    let repo: string;
    beforeAll(() => {
      repo = join(dir, hash);
      initRepository(repo, { hash, insecure: true });
    });

    const rows = recorded.hash[hash].map((step, i) => {
      const name = "remove" in step ? `rm ${step.remove}` : step.args.join(" ");
      return { name: `${i}: ${name}`, step };
    });
    test.each(rows)("$name", async ({ step }) => {
      if ("remove" in step) {
        rmSync(join(repo, step.remove));
        return;
      }
      const args = step.args.map((arg) => (arg === "TREE" ? tree : arg));
      const { stdout, status } = await cli("--repo", repo, ...args);
      expect({ stdout: withoutNames(stdout), status }).toEqual({ stdout: step.stdout, status: step.status });
    });

    test("without a repository the ids are the same", async () => {
      for (const command of ["compute-id", "compute-karg", "create-dumpfile"]) {
        const step = recorded.hash[hash].find((one) => "args" in one && one.args[0] === command);
        const { stdout } = step as Extract<Step, { args: readonly string[] }>;
        for (const where of [["--no-repo"], ["--repo", join(dir, "nowhere")]]) {
          expect(await cli(...where, "--hash", hash, command, tree)).toEqual({ stdout, status: 0, stderr: "" });
        }
      }
    });
  });
});

/** A dry run of ours has the names of what would go besides; nothing else begins so. */
function withoutNames(stdout: string): string {
  return stdout.startsWith("Dry run") ? stdout.replace(/^ {2}.*\n/gm, "") : stdout;
}
