import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { BLOCK_SIZE, encodeEntryHeader, TarParser } from "../src/index.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
const GIB = 2 ** 30;

const CASES = [
  { name: "a file", path: "blobs/sha256/abc", type: "regular", size: 5, blocks: 1 },
  { name: "an empty file", path: "empty", type: "regular", size: 0, blocks: 1 },
  { name: "a directory", path: "blobs/", type: "directory", size: 0, blocks: 1 },
  { name: "a path of 100 bytes", path: "x".repeat(100), type: "regular", size: 1, blocks: 1 },
  { name: "a path of 101 bytes", path: "x".repeat(101), type: "regular", size: 1, blocks: 3 },
  { name: "a path of 1000 bytes, no UTF-8", path: "\xff".repeat(1000), type: "regular", size: 1, blocks: 4 },
  { name: "one byte less than 8 GiB", path: "large", type: "regular", size: 8 * GIB - 1, blocks: 1 },
  { name: "8 GiB", path: "large", type: "regular", size: 8 * GIB, blocks: 3 },
  { name: "9 PiB less one, long path", path: "y".repeat(300), type: "regular", size: 2 ** 53 - 1, blocks: 3 },
] as const;

test.each(CASES)("$name is read back", ({ path, type, size, blocks }) => {
  const header = encodeEntryHeader({ path: bytes(path), type, size, mode: 0o644 });
  expect(header.length).toBe(blocks * BLOCK_SIZE);
  const [entry] = [...new TarParser().push(header)].flatMap((event) => (event.type === "entry" ? [event.entry] : []));
  expect(entry).toMatchObject({ type, size });
  expect(Buffer.from(entry?.path ?? [])).toEqual(bytes(path));
});

// Another implementation than ours; sizes only as far as it reads them without the content.
test("GNU tar lists the entries", () => {
  const entries = CASES.filter(({ size }) => size < 100).map(({ path, type, size }) => {
    const content = Buffer.alloc(size === 0 ? 0 : BLOCK_SIZE);
    return Buffer.concat([encodeEntryHeader({ path: bytes(path), type, size, mode: 0o640 }), content]);
  });
  const archive = Buffer.concat([...entries, Buffer.alloc(2 * BLOCK_SIZE)]);
  const listed = spawnSync("tar", ["--quoting-style=literal", "-tf", "-"], { input: archive });
  expect(listed.stderr.toString()).toBe("");
  expect(listed.stdout.toString("latin1").split("\n").slice(0, -1)).toEqual(
    CASES.filter(({ size }) => size < 100).map(({ path }) => path),
  );
  const details = spawnSync("tar", ["--numeric-owner", "--utc", "--full-time", "-tvf", "-"], { input: archive });
  expect(details.stdout.toString("latin1").split("\n")[0]).toMatch(
    /^-rw-r----- 0\/0 +5 1970-01-01 00:00:00 blobs\/sha256\/abc$/,
  );
});

test("sizes that are no safe integers are refused", () => {
  const entry = { path: bytes("x"), type: "regular", mode: 0o644 } as const;
  for (const size of [-1, 0.5, 2 ** 53]) expect(() => encodeEntryHeader({ ...entry, size })).toThrow(RangeError);
});
