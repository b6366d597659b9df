import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { differingObjects, listObjects, missingDigests } from "../src/index.ts";
import { open, temporaryDirectory } from "./support.ts";

const id = (first: string): string => first.padEnd(64, "0");
const file = (objects: string, name: string): string => join(objects, name.slice(0, 2), name.slice(2));
const packed = (...ids: readonly string[]): Buffer => Buffer.from(ids.join(""), "hex");

// Digests: repository.md §3.
const EMPTY = "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95";
const BLOCK = "13e9b8848ae484a36acb3f3cac0ceb2f7601e96633d15c92f9bd3dd44e492157";
const LARGE = "4dc6905041c9c4ee73e13b53f63f5d289c46da359b664a965ead7f8cc4d799d4";
const content = (size: number): Buffer => Buffer.from(Uint8Array.from({ length: size }, (_, i) => i % 251));

function objectsWith(...contents: readonly [id: string, content: string | Buffer][]): string {
  const objects = temporaryDirectory();
  for (const [name, bytes] of contents) {
    mkdirSync(join(objects, name.slice(0, 2)), { recursive: true });
    writeFileSync(file(objects, name), bytes);
  }
  return objects;
}

test("lists digests in order, and all other names", async () => {
  const objects = objectsWith([id("ff"), ""], [id("a1"), "x"], [id("0002"), ""], [id("0001"), ""]);
  mkdirSync(join(objects, "ab"));
  writeFileSync(join(objects, "cd"), "");
  symlinkSync("00", join(objects, "ce"));
  writeFileSync(join(objects, "zz"), "no object");
  writeFileSync(join(objects, "00", "short"), "");
  writeFileSync(file(objects, id("00A")), "");
  writeFileSync(Buffer.concat([Buffer.from(`${objects}/00/`), Buffer.of(0xff)]), "");
  mkdirSync(file(objects, id("00d")));
  symlinkSync("x", file(objects, id("00e")));
  const { ids, others } = await listObjects(open(objects), "sha256");
  expect(ids.toString("hex")).toBe(packed(id("0001"), id("0002"), id("a1"), id("ff")).toString("hex"));
  const path = (name: string): string => `00/${name.slice(2)}`;
  expect([...others].sort()).toEqual(
    ["00/short", "00/\xff", path(id("00A")), path(id("00d")), path(id("00e")), "cd", "ce"].sort(),
  );
});

test("names of the other hash are no digests", async () => {
  const objects = objectsWith([id("a1"), ""]);
  const { ids, others } = await listObjects(open(objects), "sha512");
  expect([ids.length, others]).toEqual([0, [`a1/${id("a1").slice(2)}`]]);
});

test("nothing there; no directory at all", async () => {
  expect(await listObjects(open(temporaryDirectory()), "sha512")).toEqual({ ids: Buffer.alloc(0), others: [] });
  await expect(listObjects(1_000_000, "sha512")).rejects.toMatchObject({ code: "EBADF" });
});

test("says which objects differ from their names", async () => {
  const objects = objectsWith([EMPTY, ""], [BLOCK, content(4096)], [LARGE, content(524289)], [id("ab"), content(4096)]);
  symlinkSync(BLOCK.slice(2), file(objects, id("130")));
  mkdirSync(file(objects, id("131")));
  const ids = packed(BLOCK, id("130"), id("131"), EMPTY, LARGE, id("ab"), id("cd"));
  const differing = await differingObjects(open(objects), ids, "sha256", { requireVerity: false });
  expect([...differing]).toEqual([1, 2, 5, 6]);
});

test("small and large ones among thousands", async () => {
  const objects = objectsWith([EMPTY, ""], [BLOCK, content(4096)], [LARGE, content(524289)], [id("ab"), "x"]);
  const cycle = [BLOCK, EMPTY, id("ab"), LARGE, BLOCK, id("cd")];
  const ids = packed(...Array.from({ length: 3000 }, (_, i) => cycle[i % cycle.length] as string));
  const differing = await differingObjects(open(objects), ids, "sha256", { requireVerity: false });
  expect([...differing]).toEqual(Array.from({ length: 3000 }, (_, i) => i).filter((i) => [2, 5].includes(i % 6)));
});

test("without fs-verity where it is required; none; ids of another length", async () => {
  const objects = objectsWith([EMPTY, ""]);
  expect([...(await differingObjects(open(objects), packed(EMPTY), "sha256", { requireVerity: true }))]).toEqual([0]);
  expect([...(await differingObjects(open(objects), packed(), "sha256", { requireVerity: false }))]).toEqual([]);
  rmSync(objects, { recursive: true });
  await expect(differingObjects(0, packed(EMPTY), "sha512", { requireVerity: false })).rejects.toThrow(TypeError);
});

const three = [id("03"), id("a1"), id("ff")];
test.each([
  [[], [id("03")], [0]],
  [three, [], []],
  [three, three, []],
  [three, [id("ff"), id("00"), id("a1"), id("a0"), id("ff01"), id("03"), id("00")], [1, 3, 4, 6]],
])("digests of %j that are missing among %j", (sorted, digests, missing) => {
  expect([...missingDigests(packed(...sorted), packed(...digests), "sha256")]).toEqual(missing);
});
