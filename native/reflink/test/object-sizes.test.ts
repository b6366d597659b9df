import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { objectSizes } from "../src/index.ts";
import { open, temporaryDirectory } from "./support.ts";

const id = (first: string): string => first.padEnd(64, "0");
const packed = (ids: readonly string[]): Buffer => Buffer.from(ids.join(""), "hex");
const sizesOf = async (objects: string, ids: readonly string[]): Promise<number[]> =>
  Array.from(await objectSizes(open(objects), packed(ids), "sha256"));
const file = (objects: string, name: string): string => join(objects, name.slice(0, 2), name.slice(2));

test("sizes in order; -1 for what is missing or no file", async () => {
  const objects = temporaryDirectory();
  for (const dir of ["00", "ab"]) mkdirSync(join(objects, dir));
  writeFileSync(join(objects, "cd"), "a file in the place of a directory");
  writeFileSync(file(objects, id("00")), "");
  writeFileSync(file(objects, id("ab01")), "twelve bytes");
  mkdirSync(file(objects, id("ab02")));
  symlinkSync(id("ab01").slice(2), file(objects, id("ab03")));
  const ids = ["ab01", "00", "ab02", "ab03", "cd", "ef", "ab01"].map(id);
  expect(await sizesOf(objects, ids)).toEqual([12, 0, -1, -1, -1, -1, 12]);
});

test("thousands, and none", async () => {
  const objects = temporaryDirectory();
  mkdirSync(join(objects, "00"));
  const ids = Array.from({ length: 3000 }, (_, i) => i.toString(16).padStart(64, "0"));
  ids.forEach((name, i) => {
    if (i % 3 === 0) writeFileSync(file(objects, name), "x".repeat(i % 7));
  });
  expect(await sizesOf(objects, ids)).toEqual(ids.map((_, i) => (i % 3 === 0 ? i % 7 : -1)));
  expect(await sizesOf(objects, [])).toEqual([]);
});

test("what is no directory fails as a whole; ids of another hash are refused", async () => {
  await expect(objectSizes(1_000_000, packed([id("00")]), "sha256")).rejects.toMatchObject({ code: "EBADF" });
  await expect(objectSizes(1_000_000, packed([id("00")]), "sha512")).rejects.toThrow(TypeError);
});
