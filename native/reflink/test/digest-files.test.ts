import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { digestFiles, type FileDigest } from "../src/index.ts";

const directory = mkdtempSync(join(tmpdir(), "digest-files-"));
const fd = openSync(directory, "r");
afterAll(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

const at = (name: string): string => join(directory, name);
const content = (size: number): Buffer => Buffer.from(Uint8Array.from({ length: size }, (_, i) => i % 251));
mkdirSync(at("aa"));
writeFileSync(at("aa/empty"), "");
writeFileSync(at("aa/large"), content(524289));
writeFileSync(at("aa/block"), content(4096));
writeFileSync(at("aa/more"), content(4097));
writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.of(0xff)]), content(1));
symlinkSync("large", at("aa/link"));
symlinkSync("aa", at("link"));

const brief = (found: FileDigest): unknown =>
  "id" in found ? found.id : "error" in found ? `${found.failure} ${found.error.code}` : found.failure;

// Digests: repository.md §3.
const cases: [string, string, unknown][] = [
  ["no content", "aa/empty", "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"],
  ["one block", "aa/block", "13e9b8848ae484a36acb3f3cac0ceb2f7601e96633d15c92f9bd3dd44e492157"],
  ["a block and a byte", "aa/more", "b0d074abef4d544404facfab6ba242f6a8ccbde90f1325cd286f3c8aa8d0f8aa"],
  ["a tree of three levels", "aa/large", "4dc6905041c9c4ee73e13b53f63f5d289c46da359b664a965ead7f8cc4d799d4"],
  ["a name that is no UTF-8", "\xff", "b803429503d95915829b29fdbc8bbad142f3abfd11b1cadf5526582e685c0551"],
  ["a symlink", "aa/link", "open ELOOP"],
  ["through a symlink", "link/empty", "open ELOOP"],
  ["out of the directory", "../x", "open EXDEV"],
  ["nothing there", "aa/none", "open ENOENT"],
  ["a directory", "aa", "not-regular"],
];

test.each(cases)("%s", async (_, path, expected) => {
  const [found] = await digestFiles(fd, [path], "sha256", { requireVerity: false });
  expect(brief(found as FileDigest)).toBe(expected);
});

test("many at once, in order", async () => {
  const paths = Array.from({ length: 3000 }, (_, i) => cases[i % cases.length]?.[1] as string);
  const found = await digestFiles(fd, paths, "sha256", { requireVerity: false });
  expect(found.map(brief)).toEqual(paths.map((_, i) => cases[i % cases.length]?.[2]));
});

test("none", async () => {
  expect(await digestFiles(fd, [], "sha512", { requireVerity: false })).toEqual([]);
});

test("fs-verity required: nothing is read", async () => {
  const found = await digestFiles(fd, ["aa/empty", "aa/none"], "sha256", { requireVerity: true });
  expect(found.map(brief)).toEqual(["no-verity", "open ENOENT"]);
});
