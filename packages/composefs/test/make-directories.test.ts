import { existsSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeDirectories } from "../src/make-directories.ts";
import { codeOf, temporaryDirectory } from "./support.ts";

test("makes what is missing, and takes what is there", () => {
  const path = join(temporaryDirectory(), "a/b/c");
  makeDirectories(path);
  makeDirectories(`${path}/`);
  makeDirectories("/");
  expect(existsSync(path)).toBe(true);
});

test("a symbolic link to a directory is one", () => {
  const path = temporaryDirectory();
  symlinkSync(".", join(path, "link"));
  makeDirectories(join(path, "link/a"));
  expect(existsSync(join(path, "a"))).toBe(true);
});

test.each<[string, string]>([
  ["file", "EEXIST"],
  ["file/a", "ENOTDIR"],
  ["dangling", "ENOENT"],
])("something else stands there: %s", async (name, code) => {
  const path = temporaryDirectory();
  writeFileSync(join(path, "file"), "");
  symlinkSync("nowhere", join(path, "dangling"));
  expect(await codeOf(() => makeDirectories(join(path, name)))).toBe(code);
});

test("the mode is that of all", () => {
  const path = temporaryDirectory();
  makeDirectories(join(path, "a/b"), 0o700);
  for (const name of ["a", "a/b"]) expect(statSync(join(path, name)).mode & 0o777).toBe(0o700);
});

test("ends where a directory takes no new ones", async () => {
  expect(await codeOf(() => makeDirectories("/proc/nothing-of-this-name"))).toBe("ENOENT");
  expect(await codeOf(() => makeDirectories("/proc/nothing-of-this-name/a/b"))).toBe("ENOENT");
});
