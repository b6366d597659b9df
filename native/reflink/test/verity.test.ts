import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  enableVerity,
  hashImplementations,
  measureVerity,
  useHashImplementation,
  verityDigest,
  verityDigestFds,
} from "../src/index.ts";
import { open, openDescriptors, pattern, temporaryDirectory } from "./support.ts";

afterEach(() => {
  useHashImplementation(hashImplementations()[0] as string);
});

test("implementations: the portable two are always there, an unknown one is refused", () => {
  expect(hashImplementations()).toEqual(expect.arrayContaining(["scalar", "vector128"]));
  expect(useHashImplementation("md5")).toBe(false);
});

test("digests of descriptors come in order, errors in their row, offsets stay", async () => {
  const dir = temporaryDirectory();
  const sizes = [0, 5, 4096, 300_000];
  const fds = sizes.map((size) => {
    writeFileSync(join(dir, `${size}`), pattern(size));
    return open(join(dir, `${size}`));
  });
  mkdirSync(join(dir, "directory"));
  const directory = open(join(dir, "directory"));
  const before = openDescriptors();
  const outcomes = await verityDigestFds([...fds, directory, 1_000_000, -1], "sha512");
  expect(openDescriptors()).toBe(before);
  for (const [i, size] of sizes.entries()) {
    expect(outcomes[i]).toEqual({ digest: verityDigest(pattern(size), "sha512") });
  }
  const codes = outcomes.slice(sizes.length).map((outcome) => ("error" in outcome ? outcome.error.code : null));
  expect(codes).toEqual(["EISDIR", "EBADF", "EBADF"]);
  expect(await verityDigestFds(fds.slice(1, 2), "sha512")).toEqual([outcomes[1]]);
});

test("no descriptors, no digests", async () => {
  expect(await verityDigestFds([], "sha256")).toEqual([]);
});

test("the ioctls: what is no file has no fs-verity, a bad descriptor is an error", () => {
  const fd = open("/dev/null");
  expect(measureVerity(fd, "sha256")).toBeNull();
  expect(enableVerity(fd, "sha256")).toBe("unsupported");
  expect(() => measureVerity(1_000_000, "sha256")).toThrow(expect.objectContaining({ code: "EBADF" }));
  expect(() => enableVerity(1_000_000, "sha256")).toThrow(expect.objectContaining({ code: "EBADF" }));
});
