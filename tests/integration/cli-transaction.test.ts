import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { cfsctl, cfsctlOk, ended, startCfsctl } from "../support/cfsctl.ts";
import { initRepo } from "../support/repo.ts";

describe.skipIf(requires("cfsctl") !== null)("a transaction", () => {
  const dir = mkdtempSync(join(tmpdir(), "cfsctl-transaction-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test("D12: keeps gc out until it is killed, and nobody else", async () => {
    const repo = await initRepo(join(dir, "repo"));
    const gc = () => cfsctl(["--repo", repo, "gc", "--wait", "0"]);
    const transaction = startCfsctl(["--repo", repo, "transaction"]);
    const end = ended(transaction);
    try {
      let refused = await gc();
      for (let tries = 0; refused.exitCode === 0 && tries < 100; tries++) refused = await gc();
      expect(refused.exitCode).toBe(1);
      expect(refused.stderr).toContain("[REPO_LOCKED]");
      expect(refused.stderr).toContain(`process ${transaction.pid} `);
      await cfsctlOk(["--repo", repo, "gc", "--dry-run"]);
      await cfsctlOk(["--repo", repo, "fsck"]);
      await cfsctlOk(["--repo", repo, "images"]);
    } finally {
      transaction.kill();
    }
    expect(await end).toBeNull();
    expect(transaction.signalCode).toBe("SIGTERM");
    expect((await gc()).exitCode).toBe(0);
  });
});
