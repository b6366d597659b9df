import { closeSync, constants, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { crc64, ObjectStore, openFiles, type StoreOutcome } from "../src/index.ts";
import { listObjects, objectName, open, openDescriptors, pattern, temporaryDirectory } from "./support.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

let dir: string;
let dirFd: number;

beforeEach(() => {
  dir = temporaryDirectory();
  dirFd = open(dir, constants.O_DIRECTORY);
});

describe("openFiles", () => {
  test("opens in the order of the files, each beneath the first directory that has it", async () => {
    const second = temporaryDirectory();
    writeFileSync(join(dir, "a"), "first");
    writeFileSync(join(second, "a"), "hidden");
    writeFileSync(join(second, "b"), "second");
    const files = [
      { path: bytes("b"), size: 6 },
      { path: bytes("a"), size: 5 },
    ];
    const opened = await openFiles([dirFd, open(second, constants.O_DIRECTORY)], files);
    expect("fds" in opened && opened.fds.map((fd) => readFileSync(fd, "utf8"))).toEqual(["second", "first"]);
    if ("fds" in opened) for (const fd of opened.fds) closeSync(fd);
  });

  test.each([
    ["missing", 1, "open"],
    ["directory", 1, "not-regular"],
    ["link-out", 1, "open"],
    ["../beside", 1, "open"],
    ["large", 3, "size"],
  ] as const)("%s of %d bytes fails at step %s, and nothing stays open", async (path, size, step) => {
    mkdirSync(join(dir, "directory"));
    symlinkSync("/etc/passwd", join(dir, "link-out"));
    writeFileSync(join(dir, "large"), "four");
    writeFileSync(join(dir, "good"), "good");
    const good = { path: bytes("good"), size: 4 };
    const before = openDescriptors();
    const opened = await openFiles([dirFd], [good, good, { path: bytes(path), size }, good]);
    expect(opened).toMatchObject({ failed: 2, failure: { step } });
    expect(openDescriptors()).toBe(before);
  });

  test("no files, no descriptors", async () => {
    expect(await openFiles([dirFd], [])).toEqual({ fds: [] });
  });
});

describe("storeOpenFiles", () => {
  let objects: string;
  let store: ObjectStore;

  beforeEach(() => {
    objects = temporaryDirectory();
    store = new ObjectStore({ objectsFd: open(objects, constants.O_DIRECTORY), hash: "sha256", verity: false });
  });

  function fileOf(name: string, content: Buffer): number {
    writeFileSync(join(dir, name), content);
    return open(join(dir, name));
  }

  test("stores what read-only descriptors hold, from its start, and hands small content back", async () => {
    const large = pattern(300_000);
    const fds = [fileOf("large", large), fileOf("small", bytes("tiny")), fileOf("again", large)];
    readFileSync(fds[0] as number); // the offset is at the end now
    const path = bytes("name");
    const outcomes = await store.storeOpenFiles(fds, [
      { path, size: large.length, crc64: crc64(large) },
      { path, size: 4, inline: true, crc64: crc64(bytes("tiny")) },
      { path, size: large.length },
    ]);
    expect(outcomes.map((outcome) => ("inline" in outcome ? outcome.inline.toString() : outcome))).toEqual([
      { id: objectName(large).replace("/", ""), method: expect.stringMatching(/reflinked|copied/) },
      "tiny",
      { id: objectName(large).replace("/", ""), method: "already-present" },
    ]);
    expect(listObjects(objects)).toEqual([objectName(large)]);
  });

  const faults: readonly [string, () => number, number, Uint8Array | null, string][] = [
    ["another size", () => fileOf("f", bytes("four")), 5, null, "size"],
    ["another content", () => fileOf("f", bytes("four")), 4, crc64(bytes("five")), "crc"],
    ["a directory", () => dirFd, 4, null, "not-regular"],
    ["a path only", () => open(join(dir, "."), 0o10000000), 4, null, "not-regular"],
    ["no descriptor", () => 999_999, 4, null, "open"],
  ];
  test.each(faults)("%s fails and leaves no object", async (_, make, size, crc, step) => {
    const fd = make();
    for (const inline of [false, true]) {
      const outcomes: StoreOutcome[] = await store.storeOpenFiles(
        [fd],
        [{ path: bytes("f"), size, crc64: crc, inline }],
      );
      expect(outcomes).toMatchObject([{ failure: { step } }]);
    }
    expect(listObjects(objects)).toEqual([]);
  });

  test("once aborted nothing is begun", async () => {
    const fd = fileOf("f", bytes("four"));
    await expect(
      store.storeOpenFiles([fd], [{ path: bytes("f"), size: 4 }], { signal: AbortSignal.abort(new Error("stop")) }),
    ).rejects.toThrow("stop");
  });
});
