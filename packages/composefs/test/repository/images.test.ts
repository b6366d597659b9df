import { readFileSync } from "node:fs";
import { verityDigest } from "@composefs/reflink";
import { expect, onTestFinished, test } from "vitest";
import { Repository } from "../../src/repository/repository.ts";
import { ScratchRepository } from "./scratch-repository.ts";

/** An image that mkcomposefs wrote, of one file with an object. */
const IMAGE = readFileSync(new URL("../../../../testdata/erofs/03-kinds.sha256.v1.erofs", import.meta.url));
const ID = Buffer.from(verityDigest(IMAGE, "sha256")).toString("hex");

async function open(): Promise<{ scratch: ScratchRepository; repo: Repository }> {
  const scratch = new ScratchRepository();
  const repo = await Repository.open(scratch.path);
  onTestFinished(() => repo.close());
  return { scratch, repo };
}

test("an image gets its entry and its ref", async () => {
  const { scratch, repo } = await open();
  expect(await repo.storeImage(IMAGE, { name: "os/one" })).toBe(ID);
  expect(scratch.names()).toEqual([
    `images/${ID} -> ../${scratch.objectPath(ID)}`,
    `images/refs/os/one -> ../../${ID}`,
    "meta.json",
    scratch.objectPath(ID),
  ]);
  expect(repo.listImages()).toEqual([{ name: "os/one", id: ID }]);
  expect(await repo.storeImage(IMAGE)).toBe(ID);
  repo.deleteRef("images", "os/one");
  expect(repo.listImages()).toEqual([]);
  expect(() => repo.deleteRef("images", "os/one")).toThrow(expect.objectContaining({ code: "REF_NOT_FOUND" }));
  expect((await repo.gc()).removed.map(({ id }) => id)).toEqual([ID]);
});

const names: [string, string][] = [
  ["ref", "refs/os/one"],
  ["ref without refs/", "os/one"],
  ["id", ID],
  ["hash and id", `sha256:${ID}`],
  ["first digits", ID.slice(0, 8)],
  ["hash and first digits", `sha256:${ID.slice(0, 12)}`],
];

test.each(names)("by %s", async (_, name) => {
  const { repo } = await open();
  await repo.storeImage(IMAGE, { name: "os/one" });
  expect(repo.resolveImage(name)).toBe(ID);
  const { id, bytes } = await repo.openImage(name);
  expect(id).toBe(ID);
  expect(Buffer.compare(bytes, IMAGE)).toBe(0);
  const ids = await repo.imageObjects(name);
  expect(ids.length).toBeGreaterThan(0);
  expect(ids).toEqual(ids.toSorted());
});

const unknown: [string, string, string][] = [
  ["no such ref", "refs/two", "IMAGE_NOT_FOUND"],
  ["no such name", "two", "IMAGE_NOT_FOUND"],
  ["too few digits", ID.slice(0, 7), "IMAGE_NOT_FOUND"],
  ["the other hash", `sha512:${ID}`, "IMAGE_NOT_FOUND"],
  ["an id that is not there", "0".repeat(64), "IMAGE_NOT_FOUND"],
  ["no name", "../meta.json", "REF_INVALID"],
];

test.each(unknown)("%s", async (_, name, code) => {
  const { repo } = await open();
  await repo.storeImage(IMAGE, { name: "os/one" });
  await expect(repo.openImage(name)).rejects.toMatchObject({ code });
});

test("digits that several images start with", async () => {
  const { scratch, repo } = await open();
  await repo.storeImage(IMAGE);
  const other = `${ID.slice(0, 10)}${"0".repeat(54)}`;
  scratch.link(`images/${other}`, scratch.objectPath(other));
  await expect(repo.openImage(ID.slice(0, 10))).rejects.toMatchObject({
    code: "REF_AMBIGUOUS",
    details: { candidates: [ID, other].sort() },
  });
  expect(repo.resolveImage(ID.slice(0, 11))).toBe(ID);
});

test("D7: what is no image gets no name", async () => {
  const { scratch, repo } = await open();
  await expect(repo.storeImage(Buffer.from("no image"), { name: "bad" })).rejects.toMatchObject({
    code: "IMAGE_INVALID",
  });
  await expect(repo.storeImage(IMAGE, { name: "../bad" })).rejects.toMatchObject({ code: "REF_INVALID" });
  expect(scratch.names()).toEqual(["meta.json"]);
});

test("an image that has changed on disk is not handed out", async () => {
  const { scratch, repo } = await open();
  await repo.storeImage(IMAGE, { name: "one" });
  scratch.write(scratch.objectPath(ID), IMAGE.subarray(0, -1));
  await expect(repo.openImage("one")).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
  scratch.remove(scratch.objectPath(ID));
  await expect(repo.openImage("one")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
});
