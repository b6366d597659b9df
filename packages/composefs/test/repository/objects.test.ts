import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { verityDigest } from "@composefs/reflink";
import { beforeEach, expect, test } from "vitest";
import { type ObjectId, objectPath, type Repository } from "../../src/index.ts";
import { closeContents } from "../../src/repository/object-content.ts";
import { codeOf, newRepository, openDescriptors } from "../support.ts";

let repository: Repository;
const fileOf = (id: ObjectId): string => join(repository.path, "objects", objectPath(id));
const large = (fill: number): Buffer => Buffer.alloc(1024 * 1024 + 1, fill);
const put = (content: Uint8Array): Promise<ObjectId> => repository.objects.put(content, "content");

beforeEach(async () => {
  repository = await newRepository();
});

test("put, has, size, read, missing", async () => {
  const absent = "0".repeat(64) as ObjectId;
  expect(repository.objects.has(absent)).toBe(false);
  expect(await codeOf(() => repository.objects.read(absent))).toBe("OBJECT_NOT_FOUND");
  for (const content of [Buffer.alloc(0), Buffer.from("x"), Buffer.alloc(1024 * 1024, 7), large(1)]) {
    const id = await put(content);
    expect(id).toBe(Buffer.from(verityDigest(content, "sha256")).toString("hex"));
    expect(await put(content)).toBe(id);
    expect(repository.objects.has(id)).toBe(true);
    expect(repository.objects.size(id)).toBe(content.length);
    expect(Buffer.compare(await repository.objects.read(id), content)).toBe(0);
    expect(await repository.objects.missing([absent, id, absent])).toEqual([absent]);
    expect(await repository.objects.sizes([absent, id])).toEqual(new Map([[id, content.length]]));
    const digests = Buffer.from(absent + id + id, "hex");
    expect([...(await repository.objects.sizesOf(digests))]).toEqual([-1, content.length, content.length]);
  }
  expect(await codeOf(() => repository.objects.read(absent))).toBe("OBJECT_NOT_FOUND");
  expect(await codeOf(() => repository.objects.size(absent))).toBe("OBJECT_NOT_FOUND");
});

test("content in pieces is stored as the whole would be, also over what is damaged", async () => {
  const whole = Buffer.concat([large(1), large(2), Buffer.from("end")]);
  const reused = Buffer.alloc(300_000);
  const pieces = function* (): Generator<Uint8Array> {
    for (let at = 0; at < whole.length; at += reused.length) {
      yield reused.subarray(0, whole.copy(reused, 0, at));
      reused.fill(0);
    }
  };
  const before = openDescriptors();
  const id = await repository.objects.putPieces(pieces, "content");
  expect(id).toBe(Buffer.from(verityDigest(whole, "sha256")).toString("hex"));
  expect(Buffer.compare(readFileSync(fileOf(id)), whole)).toBe(0);
  const changed = Buffer.from(whole);
  changed[0] = 0xff;
  writeFileSync(fileOf(id), changed);
  expect(await repository.objects.putPieces(pieces, "content")).toBe(id);
  expect(Buffer.compare(readFileSync(fileOf(id)), whole)).toBe(0);
  const failing = function* (): Generator<Uint8Array> {
    yield whole;
    throw new Error("no more");
  };
  await expect(repository.objects.putPieces(failing, "content")).rejects.toThrow("no more");
  expect(readdirSync(join(repository.path, "objects"))).toEqual([id.slice(0, 2)]);
  expect(openDescriptors()).toBe(before + 1); // objects/ itself
});

test("modes are those of files and directories, whatever the umask lets through", async () => {
  const umask = process.umask(0);
  try {
    const id = await put(Buffer.from("x"));
    expect(statSync(fileOf(id)).mode & 0o777).toBe(0o644);
    expect(statSync(dirname(fileOf(id))).mode & 0o777).toBe(0o755);
    expect(statSync(join(repository.path, "objects")).mode & 0o777).toBe(0o755);
  } finally {
    process.umask(umask);
  }
});

test.each([
  ["small", Buffer.from("content")],
  ["large", large(2)],
])("a changed %s object is corrupt, a cut one too, a removed one missing", async (_, content) => {
  const id = await put(content);
  const before = openDescriptors();
  const changed = Buffer.from(content);
  changed[0] = 0xff;
  writeFileSync(fileOf(id), changed);
  expect(await codeOf(() => repository.objects.read(id))).toBe("OBJECT_CORRUPT");
  truncateSync(fileOf(id), 3);
  expect(await codeOf(() => repository.objects.read(id))).toBe("OBJECT_CORRUPT");
  // Storing it again puts it right, whatever is wrong with it.
  expect(await put(content)).toBe(id);
  expect(Buffer.compare(await repository.objects.read(id), content)).toBe(0);
  writeFileSync(fileOf(id), changed);
  expect(await put(content)).toBe(id);
  expect(Buffer.compare(await repository.objects.read(id), content)).toBe(0);
  expect(readdirSync(join(repository.path, "objects"))).toEqual([id.slice(0, 2)]);
  rmSync(fileOf(id));
  expect(await codeOf(() => repository.objects.read(id))).toBe("OBJECT_NOT_FOUND");
  mkdirSync(fileOf(id));
  expect(await codeOf(() => repository.objects.read(id))).not.toBe("none");
  expect(openDescriptors()).toBe(before);
});

test("readMany keeps the order and no descriptor, used up or not", async () => {
  const contents = [Buffer.from("a"), large(3), Buffer.from("b"), large(4), Buffer.from("a")];
  const ids = await Promise.all(contents.map(put));
  const before = openDescriptors();
  const read = await repository.objects.readMany(ids);
  expect(openDescriptors()).toBe(before + 2);
  expect(read.map((one) => one instanceof Uint8Array)).toEqual([true, false, true, false, true]);
  expect(Buffer.concat([...(read[1] as Generator<Uint8Array>)]).equals(large(3))).toBe(true);
  expect(openDescriptors()).toBe(before + 1);
  closeContents(read);
  expect(openDescriptors()).toBe(before);
  rmSync(fileOf(ids[2] as ObjectId));
  expect(await codeOf(() => repository.objects.readMany(ids))).toBe("OBJECT_NOT_FOUND");
  expect(openDescriptors()).toBe(before);
});

test("the head of an object whose whole content is checked", async () => {
  const [small, big] = [await put(Buffer.from("x")), await put(large(2))];
  const open = openDescriptors();
  expect(await repository.objects.readHead(small)).toEqual(Buffer.from("x"));
  expect(Buffer.compare(await repository.objects.readHead(big), large(2).subarray(0, -1))).toBe(0);
  const changed = large(2);
  changed[changed.length - 1] = 3;
  writeFileSync(fileOf(big), changed);
  expect(await codeOf(() => repository.objects.readHead(big))).toBe("OBJECT_CORRUPT");
  expect(await codeOf(() => repository.objects.readHead("0".repeat(64) as ObjectId))).toBe("OBJECT_NOT_FOUND");
  expect(openDescriptors()).toEqual(open);
});

test("sizes where there are no objects at all", async () => {
  rmSync(join(repository.path, "objects"), { recursive: true, force: true });
  expect([...(await repository.objects.sizesOf(Buffer.alloc(64)))]).toEqual([-1, -1]);
});

test("a store of one's own, and probing leave no traces", async () => {
  const before = openDescriptors();
  expect(readdirSync(repository.path)).toEqual(["meta.json"]);
  const fd = openSync(join(repository.path, "meta.json"), "r");
  const hardlink = repository.objects.probe(fd, "hardlink");
  closeSync(fd);
  expect(hardlink).toBeNull();
  expect(readdirSync(repository.path)).toEqual(["meta.json"]);
  expect(repository.objects.mount()?.type).toMatch(/^\w+/);
  expect(openDescriptors()).toBe(before);
  const [outcome] = await repository.objects.store({ copy: false }).storeBuffers([Buffer.from("z")]);
  expect(readFileSync(fileOf((outcome as unknown as { id: ObjectId }).id), "utf8")).toBe("z");
});

test("what was stored is synced, and begins to be, also when the repository is closed at once", async () => {
  const before = openDescriptors();
  const other = await newRepository();
  other.objects.beginSync(); // nothing is there
  await other.objects.sync();
  await other.objects.put(Buffer.from("x"), "content");
  other.objects.beginSync();
  await other.objects.sync();
  other.objects.beginSync();
  await other.close();
  await expect.poll(openDescriptors).toBe(before);
});
