import { cpSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { contentType, initRepository, type ObjectId, objectPath, Repository } from "../../src/index.ts";
import { codeOf, collect, newRepository, openDescriptors, openRepository, temporaryDirectory } from "../support.ts";

const TYPE = contentType("testtype");

describe("open", () => {
  test.each([
    ["nothing there", (path: string) => path, {}, "REPO_NOT_FOUND"],
    ["a file", (path: string) => writeFileSync(path, ""), {}, "REPO_NOT_FOUND"],
    ["an empty directory", (path: string) => mkdirSync(path), {}, "REPO_METADATA_MISSING"],
    ["an empty directory, no upgrade", (path: string) => mkdirSync(path), { upgrade: false }, "REPO_OLD_FORMAT"],
    [
      "empty objects/",
      (path: string) => mkdirSync(join(path, "objects/00"), { recursive: true }),
      {},
      "REPO_METADATA_MISSING",
    ],
    [
      "another hash",
      (path: string) => initRepository(path, { insecure: true }),
      { hash: "sha256" },
      "REPO_CONFIG_MISMATCH",
    ],
    ["the hash", (path: string) => initRepository(path, { insecure: true }), { hash: "sha512" }, "none"],
    [
      "insecure",
      (path: string) => initRepository(path, { insecure: true }),
      { requireVerity: true },
      "VERITY_REQUIRED",
    ],
    [
      "unknown incompatible features",
      (path: string) => {
        mkdirSync(path);
        const features = { incompatible: ["frob"] };
        writeFileSync(
          join(path, "meta.json"),
          JSON.stringify({ version: 1, algorithm: "fsverity-sha256-12", features }),
        );
      },
      {},
      "REPO_UNSUPPORTED",
    ],
  ] as const)("%s: %#", async (_, make, options, code) => {
    const path = join(temporaryDirectory(), "repo");
    make(path);
    const before = openDescriptors();
    expect(
      await codeOf(async () => {
        const repository = await Repository.open(path, options);
        await repository.close();
        await repository.close();
      }),
    ).toBe(code);
    expect(openDescriptors()).toBe(before);
  });

  test("a second close does not close a stranger's descriptor", async () => {
    const first = await newRepository();
    await first.close();
    const second = await openRepository(first.path);
    await first.close();
    expect(await second.objects.put(Buffer.from("x"), "x")).toHaveLength(64);
  });

  test.each(["sha256", "sha512"] as const)("an old %s repository is upgraded, once", async (hash) => {
    const repository = await newRepository({ hash });
    const id = await repository.objects.put(Buffer.from("x"), "x");
    const written = readFileSync(join(repository.path, "meta.json"));
    await repository.close();
    rmSync(join(repository.path, "meta.json"));
    expect(await codeOf(() => openRepository(repository.path, { upgrade: false }))).toBe("REPO_OLD_FORMAT");
    const [first, second] = await Promise.all([openRepository(repository.path), openRepository(repository.path)]);
    expect([first.hash, second.verity]).toEqual([hash, false]);
    expect(first.objects.has(id)).toBe(true);
    expect(readFileSync(join(repository.path, "meta.json")).equals(written)).toBe(true);
    expect(statSync(join(repository.path, "meta.json")).nlink).toBe(1);
  });

  test("unknown read-only-compatible features: read yes, write no", async () => {
    const path = join(temporaryDirectory(), "repo");
    mkdirSync(path);
    const features = { "read-only-compatible": ["frob"], compatible: ["other"] };
    writeFileSync(join(path, "meta.json"), JSON.stringify({ version: 1, algorithm: "fsverity-sha256-12", features }));
    const repository = await openRepository(path);
    expect(repository.listStreams()).toEqual([]);
    expect(repository.erofs).toEqual({ default: 2, extra: [] });
    expect(await codeOf(() => repository.ensureWritable())).toBe("REPO_READ_ONLY");
    expect(await codeOf(async () => (await newRepository()).ensureWritable())).toBe("none");
  });

  test("where repositories lie", () => {
    expect(Repository.defaultPath("system")).toBe("/sysroot/composefs");
    expect(Repository.defaultPath("user")).toMatch(/\/\.var\/lib\/composefs$/);
  });
});

describe("readStream", () => {
  async function stored(repository: Repository, contents: readonly (string | Buffer)[]): Promise<ObjectId[]> {
    const writer = repository.createStream(TYPE);
    const ids: ObjectId[] = [];
    for (const [i, content] of contents.entries()) {
      if (i % 2 === 0) {
        writer.inline(Buffer.from(content));
        continue;
      }
      const id = await repository.objects.put(Buffer.from(content), "object");
      ids.push(id);
      writer.external(id, content.length);
    }
    const id = await repository.objects.put(writer.finish(), "stream");
    await repository.publish({ streams: [{ contentId: "x", id }], refs: [{ name: "r", contentId: "x" }] });
    return ids;
  }
  const damage = (repository: Repository, id: ObjectId, content: string | null): void => {
    const file = join(repository.path, "objects", objectPath(id));
    if (content === null) rmSync(file);
    else writeFileSync(file, content);
  };

  test("rebuilds inline runs, small and large objects, and many of them", async () => {
    const repository = await newRepository();
    const big = Buffer.alloc(2_500_000, "big ");
    const contents = ["head", big, "mid", big, "", "again", "x", ...Array.from({ length: 401 }, (_, i) => `part ${i}`)];
    await stored(repository, contents);
    const before = openDescriptors();
    for (const name of ["x", "refs/r"]) {
      const stream = await repository.openStream(name);
      expect(stream.type).toBe(TYPE);
      const data = await collect(repository.readStream(stream));
      expect(data.equals(Buffer.concat(contents.map((one) => Buffer.from(one))))).toBe(true);
      expect(data.length).toBe(stream.size);
    }
    expect(openDescriptors()).toBe(before);
  });

  test("an object changed or missing is an error before its bytes come out", async () => {
    const repository = await newRepository();
    const [first, second] = await stored(repository, ["head", "object one", "mid", "object two", "tail"]);
    const stream = await repository.openStream("x");
    damage(repository, second as ObjectId, "object 222");
    expect(await codeOf(() => collect(repository.readStream(stream)))).toBe("OBJECT_CORRUPT");
    damage(repository, first as ObjectId, null);
    expect(await codeOf(() => collect(repository.readStream(stream)))).toBe("OBJECT_NOT_FOUND");
  });

  test("a changed stream object is corrupt itself", async () => {
    const repository = await newRepository();
    await stored(repository, ["head"]);
    damage(repository, repository.findStream("x") as ObjectId, "SplitStream");
    expect(await codeOf(() => repository.openStream("x"))).toBe("OBJECT_CORRUPT");
  });

  test("stopping in the middle, and the signal, leave no descriptor", async () => {
    const repository = await newRepository();
    const big = Buffer.alloc(1_100_000, "big ");
    await stored(repository, ["a", big, "b", `${big}2`, "c", `${big}3`]);
    const stream = await repository.openStream("x");
    const before = openDescriptors();
    for await (const piece of repository.readStream(stream)) {
      if (piece.length > 1000) break;
    }
    expect(openDescriptors()).toBe(before);
    const many = await newRepository();
    await stored(
      many,
      Array.from({ length: 600 }, (_, i) => `${i}`),
    );
    const reading = many.readStream(await many.openStream("x"), { signal: AbortSignal.abort() });
    expect(await codeOf(() => collect(reading))).not.toBe("none");
  });

  test("a stream of the other hash is corrupt here", async () => {
    const repository = await newRepository();
    const other = await newRepository({ hash: "sha512" });
    const file = other.createStream(TYPE).finish();
    const id = await repository.objects.put(file, "stream");
    expect(await codeOf(() => repository.openStreamObject(id, "x"))).toBe("STREAM_CORRUPT");
  });

  test("a repository copied elsewhere reads the same", async () => {
    const repository = await newRepository();
    await stored(repository, ["head", "object", "tail"]);
    const copy = join(temporaryDirectory(), "copy");
    cpSync(repository.path, copy, { recursive: true, verbatimSymlinks: true });
    const opened = await openRepository(copy);
    expect(`${await collect(opened.readStream(await opened.openStream("refs/r")))}`).toBe("headobjecttail");
  });
});
