import { readdirSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { writeFile } from "../../src/sink/write-file.ts";
import { removeDirectories, tempDirectory } from "../temp-directory.ts";

afterEach(removeDirectories);

test.each<[string, object, string | undefined]>([
  ["a full disk: where", { code: "ENOSPC", syscall: "write" }, "directory"],
  ["another file's error: as it is", { code: "EIO", syscall: "write", path: "other" }, "other"],
  ["something else: as it is", { code: "EIO", syscall: "read" }, undefined],
])("%s", async (_, fields, path) => {
  const directory = tempDirectory();
  const error = Object.assign(new Error("ENOSPC: no space left on device, write"), fields);
  const expected = path === undefined ? {} : { path: path === "directory" ? directory : path };
  const failing = writeFile(directory, async () => Promise.reject(error));
  await expect(failing).rejects.toMatchObject({ ...fields, ...expected });
  expect(readdirSync(directory)).toEqual([]);
});
