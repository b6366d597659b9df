import { KernelError, type StoreFailure } from "@composefs/reflink";
import { expect, test } from "vitest";
import { fileFailure } from "../src/file-failure.ts";

const FILE = { path: Buffer.from("usr/bin/sh"), name: Buffer.from("/usr/bin/sh"), size: 100, crc64: null };
const ERRNO: Readonly<Record<string, number>> = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EACCES: 13,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EMFILE: 24,
  ENAMETOOLONG: 36,
  ELOOP: 40,
};

const failureOf = (step: StoreFailure["step"], name?: string, actualSize = 0): StoreFailure => ({
  step,
  error: name === undefined ? null : new KernelError(ERRNO[name] as number, "openat2"),
  actualSize,
});

test.each<[step: StoreFailure["step"], errno: string | undefined, code: string | null]>([
  ["open", "ENOENT", "FILE_NOT_FOUND"],
  ["open", "ENOTDIR", "FILE_NOT_FOUND"],
  ["open", "ENAMETOOLONG", "FILE_NOT_FOUND"],
  ["metacopy", undefined, "FILE_NOT_FOUND"],
  ["open", "EXDEV", "UNSAFE_PATH"],
  ["open", "ELOOP", "UNSAFE_PATH"],
  ["open", "EACCES", "PERMISSION_DENIED"],
  ["open", "EPERM", "PERMISSION_DENIED"],
  ["open", "ENXIO", "NOT_REGULAR_FILE"],
  ["open", "ENODEV", "NOT_REGULAR_FILE"],
  ["not-regular", undefined, "NOT_REGULAR_FILE"],
  ["size", undefined, "SIZE_MISMATCH"],
  ["crc", undefined, "CONTENT_CHECKSUM_MISMATCH"],
  ["open", "EMFILE", null],
  ["open", "EIO", null],
  ["read", "EIO", null],
  ["write", undefined, null],
  ["cancelled", undefined, null],
])("%s %s: %s", (step, errno, code) => {
  const failure = failureOf(step, errno);
  const error = fileFailure({ id: "layer" }, FILE, failure);
  expect(error?.code ?? null).toBe(code);
  if (error === null) return;
  expect(error.details).toMatchObject({ layer: "layer", path: "usr/bin/sh" });
  expect(error.cause).toBe(failure.error ?? undefined);
});

test("names both sizes", () => {
  const error = fileFailure({ id: "layer" }, FILE, failureOf("size", undefined, 101));
  expect(error?.details).toMatchObject({ expected: 100, actual: 101 });
});

test("tells what to do about permissions", () => {
  expect(fileFailure({ id: "layer" }, FILE, failureOf("open", "EACCES"))?.hint).toBeTypeOf("string");
});
