import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { splitTag } from "../../src/source/split-tag.ts";
import { removeDirectories, tempDirectory } from "../temp-directory.ts";

afterEach(removeDirectories);

// oci.md §1.3; skopeo cuts at the first colon.
test.each([
  ["dir", "dir", null],
  ["dir:1.0", "dir", "1.0"],
  ["dir:", "dir", ""],
  ["dir:quay.io/app:1", "dir", "quay.io/app:1"],
  ["dir:quay.io/app", "dir", "quay.io/app"],
  ["dir:app:1", "dir", "app:1"],
  ["a:b/dir", "a:b/dir", null],
  ["a:b/dir:1", "a:b/dir", "1"],
  ["nope", "nope", null],
  ["nope:1", "nope", "1"],
])("%s", async (text, path, tag) => {
  const root = tempDirectory({ "dir/x": "", "a:b/dir/x": "" });
  expect(await splitTag(join(root, text), "last-colon")).toEqual({ path: join(root, path), tag });
});

test("where both ways lead somewhere, each tool has its own", async () => {
  const root = tempDirectory({ dir: "", "dir:a": "" });
  const text = join(root, "dir:a:b");
  expect(await splitTag(text, "last-colon")).toEqual({ path: join(root, "dir:a"), tag: "b" });
  expect(await splitTag(text, "first-colon")).toEqual({ path: join(root, "dir"), tag: "a:b" });
});
