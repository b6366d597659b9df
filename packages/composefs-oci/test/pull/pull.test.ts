import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { pull } from "../../src/pull/pull.ts";
import { ociError } from "../code-of.ts";
import { readOnlyTwin, removeRepositories, state, tempRepository } from "../temp-repository.ts";

afterEach(removeRepositories);

test.each<[string, string, string | undefined]>([
  ["TRANSPORT", "app", undefined],
  ["REF_INVALID", "docker://quay.io/App:tag", undefined],
  ["TRANSPORT", "localhost:5000/app", undefined],
  ["REF_INVALID", "containers-storage:app", "@x"],
  ["REF_INVALID", "containers-storage:app", "."],
])("%s: pull %s as %s writes nothing", async (code, reference, tag) => {
  const repository = await tempRepository();
  const before = state(repository);
  await expect(pull(repository, reference, { tag })).rejects.toMatchObject(ociError(code));
  expect(state(repository)).toEqual(before);
});

test("REPO_READ_ONLY comes before the store is looked for", async () => {
  const repository = await readOnlyTwin(await tempRepository());
  await expect(pull(repository, "containers-storage:app", { store: { root: "/nowhere" } })).rejects.toMatchObject({
    code: "REPO_READ_ONLY",
  });
});

test("STORE_NOT_FOUND", async () => {
  const repository = await tempRepository();
  const empty = mkdtempSync(join(tmpdir(), "oci-unit-"));
  try {
    await expect(
      pull(repository, "containers-storage:app", { store: { root: join(empty, "nothing") } }),
    ).rejects.toMatchObject({ name: "CstorageError", code: "STORE_NOT_FOUND" });
  } finally {
    rmSync(empty, { recursive: true });
  }
});
