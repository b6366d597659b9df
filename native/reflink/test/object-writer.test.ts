import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { verityDigest } from "../src/index.ts";
import { kind, listObjects, objectName, openDescriptors, pattern, storeFixture } from "./support.ts";

test.each([
  ["nothing at all", []],
  ["an empty write", [[new Uint8Array(0)]]],
  ["one byte at a time", Array.from({ length: 40 }, (_, i) => [Uint8Array.of(i)])],
  ["odd pieces", [[pattern(1), pattern(4095)], [pattern(4097)], [pattern(100_000), pattern(3)], []]],
  ["a megabyte and one", [[pattern(1_048_577)]]],
])("pieces: %s", async (_, writes) => {
  const { store, objects } = storeFixture();
  const before = openDescriptors();
  const writer = store.createWriter();
  for (const chunks of writes) await writer.write(chunks);
  const whole = Buffer.concat(writes.flat());
  const id = Buffer.from(verityDigest(whole, "sha256")).toString("hex");
  expect(await writer.finish()).toEqual({ id, method: "copied" });
  expect(listObjects(objects)).toEqual([objectName(whole)]);
  expect(openDescriptors()).toBe(before);
});

test("the same content again is already there", async () => {
  const { store } = storeFixture();
  for (const method of ["copied", "already-present"]) {
    const writer = store.createWriter();
    await writer.write([pattern(5000)]);
    expect(kind(await writer.finish())).toBe(method);
  }
});

test("abort leaves nothing, also after a write that still runs", async () => {
  const { store, objects } = storeFixture();
  const before = openDescriptors();
  const writer = store.createWriter();
  await writer.write([pattern(100)]);
  const running = writer.write([pattern(10_000_000)]);
  writer.abort();
  writer.abort();
  // It ran first, or it found the writer closed; never a descriptor of somebody else.
  await running.catch((error) => expect(error).toMatchObject({ code: "EBADF" }));
  await expect(writer.write([pattern(1)])).rejects.toMatchObject({ code: "EBADF", syscall: "write" });
  expect(await writer.finish()).toMatchObject({ failure: { step: "stage", error: { code: "EBADF" } } });
  expect(readdirSync(objects)).toEqual([]);
  expect(openDescriptors()).toBe(before);
});

test("finish ends it: a second one fails and adds nothing", async () => {
  const { store, objects } = storeFixture();
  const writer = store.createWriter();
  await writer.write([pattern(10)]);
  await writer.finish();
  const directories = readdirSync(objects);
  expect(await writer.finish()).toMatchObject({ failure: { step: "stage", error: { code: "EBADF" } } });
  await expect(writer.write([pattern(1)])).rejects.toMatchObject({ code: "EBADF" });
  writer.abort();
  expect(readdirSync(objects)).toEqual(directories);
});

test("after a failed write no object can come of it", async () => {
  const { store, objects } = storeFixture();
  const limit = (value: string): Buffer => execFileSync("prlimit", ["--pid", `${process.pid}`, `--fsize=${value}:`]);
  const before = openDescriptors();
  const writer = store.createWriter();
  await writer.write([pattern(1000)]);
  limit("65536");
  try {
    await expect(writer.write([pattern(100_000)])).rejects.toMatchObject({ code: "EFBIG" });
  } finally {
    limit("unlimited");
  }
  await expect(writer.write([pattern(1)])).rejects.toMatchObject({ code: "EFBIG" });
  expect(await writer.finish()).toMatchObject({ failure: { step: "write", error: { code: "EFBIG" } } });
  expect(readdirSync(objects)).toEqual([]);
  expect(openDescriptors()).toBe(before);
});
