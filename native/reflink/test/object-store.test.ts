import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { binding } from "../src/binding.ts";
import { crc64, ObjectStore, setNativeThreads, verityDigest } from "../src/index.ts";
import {
  kind,
  listObjects,
  objectName,
  open,
  openDescriptors,
  pattern,
  readObject,
  storeFixture,
  temporaryDirectory,
} from "./support.ts";

const path = (name: string): Buffer => Buffer.from(name);

afterEach(() => {
  binding.setTmpfileAvailable(true);
  binding.setOpenat2Available(true);
});

describe("storeFiles", () => {
  test.each(["sha256", "sha512"] as const)(
    "%s: stores in order, under the digest, with the modes of §1.1",
    async (hash) => {
      const { store, objects, dirFd, add } = storeFixture({ hash });
      const contents = [pattern(0), pattern(5), pattern(4096), pattern(300_000), Buffer.from("five")];
      const rows = contents.map((content, i) => ({ ...add(`f${i}`, content), crc64: crc64(content) }));
      const umask = process.umask(0);
      try {
        const outcomes = await store.storeFiles([dirFd], rows);
        // The temporary directory decides whether it clones.
        expect(outcomes.map(kind)).toEqual(rows.map(() => expect.stringMatching(/^(copied|reflinked)$/)));
        for (const [i, content] of contents.entries()) {
          const outcome = outcomes[i] as { id: string };
          expect(outcome.id).toBe(Buffer.from(verityDigest(content, hash)).toString("hex"));
          expect(readObject(objects, outcome.id).equals(content)).toBe(true);
        }
      } finally {
        process.umask(umask);
      }
      expect(listObjects(objects)).toEqual(contents.map((content) => objectName(content, hash)).sort());
      for (const name of listObjects(objects)) {
        expect(statSync(join(objects, name)).mode & 0o777).toBe(0o644);
        expect(statSync(join(objects, dirname(name))).mode & 0o777).toBe(0o755);
      }
      expect((await store.storeFiles([dirFd], rows)).map(kind)).toEqual(rows.map(() => "already-present"));
    },
  );

  // Files that were not changed just now are hashed before they are cloned, small ones together.
  test("settled files of all sizes, in one run", async () => {
    const { store, objects, dirFd, add } = storeFixture({ hash: "sha512" });
    const contents = [0, 1, 4096, 65_536, 65_537, 300_000, 70_000, 12].map((size) => pattern(size));
    const rows = contents.map((content, i) => ({ ...add(`f${i}`, content), crc64: crc64(content) }));
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    const outcomes = await store.storeFiles([dirFd], rows);
    expect(outcomes.map(kind)).toEqual(rows.map(() => expect.stringMatching(/^(copied|reflinked)$/)));
    expect(listObjects(objects)).toEqual(contents.map((content) => objectName(content, "sha512")).sort());
    for (const [i, content] of contents.entries()) {
      expect(readObject(objects, (outcomes[i] as { id: string }).id).equals(content)).toBe(true);
    }
    expect((await store.storeFiles([dirFd], rows)).map(kind)).toEqual(rows.map(() => "already-present"));
  });

  test("content marked inline comes back and is not stored", async () => {
    const { store, objects, dirFd, add } = storeFixture();
    const rows = [
      { ...add("a", Buffer.from("first")), inline: true },
      add("b", Buffer.from("stored")),
      { ...add("empty", Buffer.alloc(0)), inline: true },
      { ...add("c", Buffer.from("last")), inline: true, crc64: crc64(Buffer.from("last")) },
    ];
    const outcomes = await store.storeFiles([dirFd], rows);
    const inline = outcomes.map((outcome) => ("inline" in outcome ? Buffer.from(outcome.inline).toString() : null));
    expect(inline).toEqual(["first", null, "", "last"]);
    expect(listObjects(objects)).toEqual([objectName(Buffer.from("stored"))]);
  });

  const FAILURES: [string, (fixture: ReturnType<typeof storeFixture>) => object, string, string | null][] = [
    ["missing", () => ({ path: path("missing"), size: 1 }), "open", "ENOENT"],
    ["beneath a file", ({ add }) => ({ path: path(`${add("f", path("x")).path}/g`), size: 1 }), "open", "ENOTDIR"],
    ["larger than stated", ({ add }) => ({ ...add("f", pattern(10)), size: 9 }), "size", null],
    ["smaller than stated", ({ add }) => ({ ...add("f", pattern(10)), size: 11 }), "size", null],
    ["another checksum", ({ add }) => ({ ...add("f", pattern(10)), crc64: crc64(pattern(9)) }), "crc", null],
    [
      "another checksum, inline",
      ({ add }) => ({ ...add("f", pattern(10)), crc64: crc64(pattern(9)), inline: true }),
      "crc",
      null,
    ],
    ["the parent", () => ({ path: path("../f"), size: 1 }), "open", "EXDEV"],
    ["absolute", () => ({ path: path("/etc/passwd"), size: 1 }), "open", "EXDEV"],
    ["empty path", () => ({ path: path(""), size: 1 }), "open", "ENOENT"],
    [
      "a directory",
      ({ sources }) => {
        mkdirSync(join(sources, "d"));
        return { path: path("d"), size: 4096 };
      },
      "not-regular",
      null,
    ],
    [
      "a FIFO",
      ({ sources }) => {
        execFileSync("mkfifo", [join(sources, "fifo")]);
        return { path: path("fifo"), size: 0 };
      },
      "not-regular",
      null,
    ],
    [
      "a symlink at the end",
      ({ sources, add }) => {
        add("f", pattern(1));
        symlinkSync("f", join(sources, "link"));
        return { path: path("link"), size: 1 };
      },
      "open",
      "ELOOP",
    ],
    [
      "a directory replaced by a symlink out",
      ({ sources }) => {
        mkdirSync(join(sources, "d"));
        writeFileSync(join(sources, "d/f"), "x");
        const outside = temporaryDirectory();
        renameSync(join(sources, "d"), join(outside, "d"));
        symlinkSync(join(outside, "d"), join(sources, "d"));
        return { path: path("d/f"), size: 1 };
      },
      "open",
      "EXDEV",
    ],
  ];

  test.each(FAILURES)("fails: %s", async (_, make, step, code) => {
    const fixture = storeFixture();
    const row = make(fixture) as Parameters<ObjectStore["storeFiles"]>[1][number];
    const before = openDescriptors();
    const [outcome] = await fixture.store.storeFiles([fixture.dirFd], [row]);
    expect(outcome).toMatchObject({ failure: { step, error: code === null ? null : { code } } });
    if (step === "size") expect(outcome).toMatchObject({ failure: { actualSize: 10 } });
    expect(openDescriptors()).toBe(before);
    expect(readdirSync(fixture.objects)).toEqual([]);
  });

  test("takes the first directory that has the file", async () => {
    const { store, dirFd, add } = storeFixture();
    add("both", path("lower"));
    add("only", path("only!"));
    const upper = temporaryDirectory();
    writeFileSync(join(upper, "both"), "upper");
    const rows = ["both", "only"].map((name) => ({ path: path(name), size: 5, inline: true }));
    const text = (outcomes: object[]): string[] => outcomes.map((one) => `${(one as { inline: Buffer }).inline}`);
    expect(text(await store.storeFiles([open(upper), dirFd], rows))).toEqual(["upper", "only!"]);
    expect(text(await store.storeFiles([dirFd, open(upper)], rows))).toEqual(["lower", "only!"]);
    // A file that is there and wrong ends the search.
    const [wrong] = await store.storeFiles([open(upper), dirFd], [{ path: path("both"), size: 6 }]);
    expect(kind(wrong)).toBe("size");
    const [none] = await store.storeFiles([], rows.slice(0, 1));
    expect(none).toMatchObject({ failure: { step: "open", error: { code: "ENOENT" } } });
  });

  test("after the first failure what has not begun is cancelled, and nothing half-done stays", async () => {
    const { store, objects, dirFd, add } = storeFixture();
    const good = Array.from({ length: 300 }, (_, i) => add(`f${i}`, path(`content ${i}`)));
    const rows = [...good.slice(0, 3), { path: path("missing"), size: 1 }, ...good.slice(3)];
    const outcomes = (await store.storeFiles([dirFd], rows)).map(kind);
    expect(outcomes.slice(0, 4)).toEqual([outcomes[0], outcomes[0], outcomes[0], "open"]);
    expect(outcomes.at(-1)).toBe("cancelled");
    expect(listObjects(objects).filter((name) => name.includes("tmp"))).toEqual([]);
    expect(listObjects(objects)).toHaveLength(outcomes.filter((one) => /copied|reflinked/.test(one)).length);
  });

  test("an aborted signal rejects before, and cancels meanwhile", async () => {
    const { store, dirFd, add } = storeFixture();
    const row = add("f", pattern(60_000));
    const rows = Array.from({ length: 10_000 }, () => row);
    await expect(store.storeFiles([dirFd], rows, { signal: AbortSignal.abort() })).rejects.toThrow();
    const controller = new AbortController();
    const running = store.storeFiles([dirFd], rows, { signal: controller.signal });
    controller.abort();
    const outcomes = (await running).map(kind);
    expect(outcomes.at(-1)).toBe("cancelled");
  });

  test("2,000 files at once, a third of them equal", async () => {
    const { store, objects, dirFd, add } = storeFixture();
    const rows = Array.from({ length: 2000 }, (_, i) => add(`f${i}`, path(`content ${i % 1333}`)));
    const before = openDescriptors();
    const outcomes = await store.storeFiles([dirFd], rows);
    expect(openDescriptors()).toBe(before);
    const ids = outcomes.map((outcome) => ("id" in outcome ? outcome.id : null));
    expect(ids).toEqual(
      rows.map((_, i) => Buffer.from(verityDigest(path(`content ${i % 1333}`), "sha256")).toString("hex")),
    );
    expect(outcomes.filter((outcome) => kind(outcome) === "already-present")).toHaveLength(2000 - 1333);
    expect(listObjects(objects)).toHaveLength(1333);
  });

  test("a large sparse file", async () => {
    const { store, objects, sources, dirFd } = storeFixture();
    const size = 70 * 1024 * 1024 + 1;
    writeFileSync(join(sources, "sparse"), "start");
    truncateSync(join(sources, "sparse"), size);
    const content = Buffer.alloc(size);
    content.write("start");
    const [outcome] = await store.storeFiles([dirFd], [{ path: path("sparse"), size, crc64: crc64(content) }]);
    expect(outcome).toMatchObject({ id: Buffer.from(verityDigest(content, "sha256")).toString("hex") });
    expect(statSync(join(objects, objectName(content))).size).toBe(size);
  });

  test("copy: false refuses what cannot be cloned; hardlink: true links it", async () => {
    const refusing = storeFixture({ copy: false });
    const row = refusing.add("f", pattern(100));
    const [refused] = await refusing.store.storeFiles([refusing.dirFd], [row]);
    expect(["copy-refused", "reflinked"]).toContain(kind(refused));
    const linking = storeFixture({ hardlink: true, copy: false });
    const [linked] = await linking.store.storeFiles([linking.dirFd], [linking.add("f", pattern(100))]);
    if (kind(refused) === "copy-refused") {
      expect(readdirSync(refusing.objects)).toEqual([]);
      expect(kind(linked)).toBe("hardlinked");
      expect(statSync(join(linking.sources, "f")).ino).toBe(
        statSync(join(linking.objects, objectName(pattern(100)))).ino,
      );
      const [again] = await linking.store.storeFiles([linking.dirFd], [linking.add("g", pattern(100))]);
      expect(kind(again)).toBe("already-present");
    }
  });

  test("an object of another size is replaced, one of the same size is trusted", async () => {
    const { store, objects, dirFd, add } = storeFixture();
    const row = add("f", pattern(100));
    await store.storeFiles([dirFd], [row]);
    const object = join(objects, objectName(pattern(100)));
    truncateSync(object, 50);
    expect(kind((await store.storeFiles([dirFd], [row]))[0])).toMatch(/^(copied|reflinked)$/);
    expect(readFileSync(object).equals(pattern(100))).toBe(true);
    writeFileSync(object, Buffer.alloc(100));
    expect(kind((await store.storeFiles([dirFd], [row]))[0])).toBe("already-present");
    expect(listObjects(objects)).toEqual([objectName(pattern(100))]);
    // Not a file: nothing that we may remove.
    unlinkSync(object);
    mkdirSync(object);
    expect(kind((await store.storeFiles([dirFd], [row]))[0])).toBe("link");
    expect(listObjects(objects)).toEqual([]);
  });

  test("without O_TMPFILE the staging file has a name for a while", async () => {
    binding.setTmpfileAvailable(false);
    const { store, objects, dirFd, add } = storeFixture();
    const row = add("f", pattern(5000));
    expect(kind((await store.storeFiles([dirFd], [row]))[0])).toMatch(/^(copied|reflinked)$/);
    expect(kind((await store.storeFiles([dirFd], [row]))[0])).toBe("already-present");
    expect(kind((await store.storeFiles([dirFd], [{ ...row, crc64: crc64(pattern(1)) }]))[0])).toBe("crc");
    truncateSync(join(objects, objectName(pattern(5000))), 1);
    expect(kind((await store.storeFiles([dirFd], [row]))[0])).toMatch(/^(copied|reflinked)$/);
    expect(listObjects(objects)).toEqual([objectName(pattern(5000))]);
    expect(readFileSync(join(objects, objectName(pattern(5000)))).equals(pattern(5000))).toBe(true);
  });

  test("a store without its directory fails at staging", async () => {
    const { dirFd, add } = storeFixture();
    const store = new ObjectStore({ objectsFd: 1_000_000, hash: "sha256", verity: false });
    const [outcome] = await store.storeFiles([dirFd], [add("f", pattern(1))]);
    expect(outcome).toMatchObject({ failure: { step: "stage", error: { code: "EBADF" } } });
    expect(() => store.createWriter()).toThrow(expect.objectContaining({ code: "EBADF" }));
  });

  test("fs-verity where there is none: failure, and nothing stays", async () => {
    const store = new ObjectStore({ objectsFd: open("/dev/shm"), hash: "sha256", verity: true });
    const before = readdirSync("/dev/shm");
    const [outcome] = await store.storeBuffers([path("x")]);
    expect(outcome).toMatchObject({ failure: { step: "verity", error: { code: "ENOTSUP" } } });
    expect(readdirSync("/dev/shm")).toEqual(before);
  });

  test.each([
    ["a checksum of four bytes", { crc64: new Uint8Array(4) }],
    ["a negative size", { size: -1 }],
    ["a size that is no number", { size: Number.NaN }],
    ["an unsafe size", { size: 2 ** 60 }],
    ["a NUL in the path", { path: path("a\0b") }],
  ])("throws for %s", async (_, change) => {
    const { store, dirFd, add } = storeFixture();
    await expect(store.storeFiles([dirFd], [{ ...add("f", pattern(10)), ...change }])).rejects.toThrow(
      expect.objectContaining({ name: expect.stringMatching(/^(Range|Type)Error$/) }),
    );
  });
});

describe("storeBuffers", () => {
  test("stores in order; equal contents share an object", async () => {
    const { store, objects } = storeFixture();
    const contents = [path("a"), new Uint8Array(0), path("a"), pattern(1_000_000).subarray(7)];
    const outcomes = await store.storeBuffers(contents);
    expect(outcomes.map((outcome) => ("id" in outcome ? outcome.id : ""))).toEqual(
      contents.map((content) => Buffer.from(verityDigest(content, "sha256")).toString("hex")),
    );
    expect(outcomes.map(kind).filter((one) => one === "already-present")).toHaveLength(1);
    expect(listObjects(objects)).toHaveLength(3);
    expect(await store.storeBuffers([])).toEqual([]);
  });
});

test("probe takes back what it tries", () => {
  const { store, objects, sources, add } = storeFixture();
  add("f", pattern(4096));
  const before = openDescriptors();
  const fd = open(join(sources, "f"));
  const reflink = store.probe(fd, "reflink");
  expect(reflink === null || ["ENOTSUP", "EXDEV"].includes(reflink.code)).toBe(true);
  expect(store.probe(fd, "hardlink")).toBeNull();
  expect(store.probe(open("/proc/version"), "hardlink")).toMatchObject({ code: "EXDEV" });
  expect(readdirSync(objects)).toEqual([]);
  expect(openDescriptors()).toBe(before + 2);
});

test("the number of threads can change while work goes on", async () => {
  const { store, dirFd, add } = storeFixture();
  const rows = Array.from({ length: 200 }, (_, i) => add(`f${i}`, path(`${i}`)));
  for (const threads of [1, 5, 2]) {
    setNativeThreads(threads);
    expect((await store.storeFiles([dirFd], rows)).filter((one) => "failure" in one)).toEqual([]);
  }
  for (const threads of [0, -1, 1025, Number.NaN, 1.5]) expect(() => setNativeThreads(threads)).toThrow(RangeError);
});
