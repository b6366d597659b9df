import { spawn } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { ObjectId, Repository } from "../../src/index.ts";
import { codeOf, newRepository } from "../support.ts";

const id = (digit: string): ObjectId => digit.repeat(64) as ObjectId;
let repository: Repository;
const at = (name: string): string => join(repository.path, name);

beforeEach(async () => {
  repository = await newRepository();
});

test("publish makes the links of repository.md §1, and tells whether it changed anything", async () => {
  const publication = {
    streams: [{ contentId: "oci-layer-sha256:0", id: id("a") }],
    refs: [{ name: "oci/app:v1", contentId: "oci-layer-sha256:0" }],
  };
  const umask = process.umask(0);
  try {
    expect(await repository.publish(publication)).toBe(true);
  } finally {
    process.umask(umask);
  }
  expect(readlinkSync(at("streams/oci-layer-sha256:0"))).toBe(`../objects/aa/${"a".repeat(62)}`);
  expect(readlinkSync(at("streams/refs/oci/app:v1"))).toBe("../../oci-layer-sha256:0");
  for (const name of ["streams", "streams/refs", "streams/refs/oci"]) {
    expect(statSync(at(name)).mode & 0o777).toBe(0o755);
  }
  expect(await repository.publish(publication)).toBe(false);
  expect(await repository.publish({})).toBe(false);
  const moved = { streams: [{ contentId: "oci-layer-sha256:0", id: id("b") }] };
  const inode = lstatSync(at("streams/oci-layer-sha256:0")).ino;
  expect(await repository.publish(moved)).toBe(true);
  expect(readlinkSync(at("streams/oci-layer-sha256:0"))).toBe(`../objects/bb/${"b".repeat(62)}`);
  expect(lstatSync(at("streams/oci-layer-sha256:0")).ino).not.toBe(inode);
  expect(await repository.publish({ refs: [{ name: "oci/app:v1", contentId: "other" }] })).toBe(true);
  expect(repository.readRef("streams", "oci/app:v1")).toBe("other");
  expect(readdirSync(repository.path).sort()).toEqual(["meta.json", "streams"]);
});

test("a bad name anywhere keeps everything from being written", async () => {
  const good = { contentId: "x", id: id("a") };
  for (const publication of [
    { streams: [good, { ...good, contentId: "a/b" }] },
    { streams: [good], refs: [{ name: "../evil", contentId: "x" }] },
    { streams: [good], refs: [{ name: "ok", contentId: ".." }] },
    {
      streams: [good],
      refs: [
        { name: "ok", contentId: "x" },
        { name: "", contentId: "x" },
      ],
    },
  ]) {
    expect(await codeOf(() => repository.publish(publication))).toBe("REF_INVALID");
  }
  expect(readdirSync(repository.path)).toEqual(["meta.json"]);
});

test("a repository that somebody removed gets no names, and says so", async () => {
  rmSync(repository.path, { recursive: true });
  const publication = { streams: [{ contentId: "oci-layer-sha256:0", id: id("a") }] };
  await expect(repository.publish(publication)).rejects.toMatchObject({ code: "ENOENT" });
  const refs = [{ name: "a/b/c", contentId: "oci-layer-sha256:0" }];
  await expect(repository.publish({ refs })).rejects.toMatchObject({ code: "ENOENT" });
});

test("the name is never missing while it is replaced", async () => {
  await repository.publish({ streams: [{ contentId: "x", id: id("0") }] });
  const watcher = execFile(
    `i=0; while [ $i -lt 20000 ] && [ ! -e '${at("stop")}' ]; do [ -L '${at("streams/x")}' ] || exit 1; i=$((i+1)); done`,
  );
  for (let i = 0; i < 60; i++) {
    await repository.publish({ streams: [{ contentId: "x", id: id("0123456789abcdef"[(i + 1) % 16] as string) }] });
  }
  writeFileSync(at("stop"), "");
  expect(await watcher).toBe(0);
});

async function execFile(script: string): Promise<number | null> {
  return new Promise((resolve) => spawn("sh", ["-c", script]).on("close", resolve));
}

describe("refs", () => {
  const NAMES = ["z", "a b", "deep/er/still", "名/ü", "Z", "-", "deep.x"];

  test("any legal name can be set, listed bytewise, read and deleted", async () => {
    await repository.publish({ refs: NAMES.map((name, i) => ({ name, contentId: `entry ${i}` })) });
    const bytewise = [...NAMES].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    expect(repository.listRefs("streams").map(({ name }) => name)).toEqual(bytewise);
    expect(repository.listRefs("streams", "deep")).toEqual([{ name: "er/still", entry: "entry 2" }]);
    expect(repository.listRefs("streams", "none")).toEqual([]);
    expect(repository.listRefs("images")).toEqual([]);
    for (const [i, name] of NAMES.entries()) {
      expect(repository.readRef("streams", name)).toBe(`entry ${i}`);
      repository.deleteRef("streams", name);
      expect(repository.readRef("streams", name)).toBeNull();
    }
    expect(await codeOf(() => repository.deleteRef("streams", "z"))).toBe("REF_NOT_FOUND");
    expect(await codeOf(() => repository.deleteRef("streams", "deep/er"))).toBe("REF_NOT_FOUND");
  });

  test.each(["", "/abs", "a/../b", ".", "a\0"])("name %j is refused by all", async (name) => {
    expect(await codeOf(() => repository.readRef("streams", name))).toBe("REF_INVALID");
    expect(await codeOf(() => repository.deleteRef("streams", name))).toBe("REF_INVALID");
    expect(await codeOf(() => repository.openStream(`refs/${name}`))).toBe("REF_INVALID");
    if (name !== "") expect(await codeOf(() => repository.listRefs("streams", name))).toBe("REF_INVALID");
  });

  test("strays are left out, odd texts give their last component or nothing", () => {
    mkdirSync(at("streams/refs/d"), { recursive: true });
    writeFileSync(at("streams/refs/file"), "");
    for (const [name, text] of [
      ["up", ".."],
      ["slash", "../x/"],
      ["far", "/abs/olute/entry"],
      ["d/near", "../../x"],
    ] as const) {
      symlinkSync(text, at(`streams/refs/${name}`));
    }
    expect(repository.listRefs("streams")).toEqual([
      { name: "d/near", entry: "x" },
      { name: "far", entry: "entry" },
    ]);
    expect(repository.readRef("streams", "file")).toBeNull();
    expect(repository.readRef("streams", "file/below")).toBeNull();
  });

  test("a ref cannot take the place of a directory of refs; the error names it", async () => {
    await repository.publish({ refs: [{ name: "a/b", contentId: "x" }] });
    await expect(repository.publish({ refs: [{ name: "a", contentId: "x" }] })).rejects.toMatchObject({
      code: "EISDIR",
      path: "streams/refs/a",
    });
    expect(repository.readRef("streams", "a/b")).toBe("x");
    expect(readdirSync(repository.path).sort()).toEqual(["meta.json", "streams"]);
  });
});

describe("entries", () => {
  test("are found only with their object", async () => {
    const object = await repository.objects.put(Buffer.from("x"), "x");
    await repository.publish({
      streams: [
        { contentId: "b", id: object },
        { contentId: "a", id: id("0") },
      ],
    });
    writeFileSync(at("streams/file"), "");
    expect(repository.listStreams()).toEqual(["a", "b"]);
    expect(repository.findStream("b")).toBe(object);
    expect(repository.findStream("a")).toBeNull();
    expect(repository.findStream("none")).toBeNull();
    expect(await codeOf(() => repository.openStream("a"))).toBe("OBJECT_NOT_FOUND");
    expect(await codeOf(() => repository.openStream("none"))).toBe("STREAM_NOT_FOUND");
    expect(await codeOf(() => repository.openStream("refs/none"))).toBe("STREAM_NOT_FOUND");
    expect(await codeOf(() => repository.openStream("b"))).toBe("STREAM_CORRUPT");
    expect(await codeOf(() => repository.findStream("../meta.json"))).toBe("REF_INVALID");
  });

  test.each([
    `../objects/aa/${"a".repeat(126)}`,
    `objects/aa/${"a".repeat(62)}`,
    `../objects/aa/${"A".repeat(62)}`,
    "/etc/passwd",
    `../objects/../objects/aa/${"a".repeat(62)}`,
  ])("a link to %s is corrupt", async (text) => {
    mkdirSync(at("streams"), { recursive: true });
    rmSync(at("streams/x"), { force: true });
    symlinkSync(text, at("streams/x"));
    expect(await codeOf(() => repository.findStream("x"))).toBe("REPO_CORRUPT");
  });
});
