import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Repository } from "@composefs/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tagImage, untagImage } from "../../src/image/tag-image.ts";
import { listTags, readTag } from "../../src/image/tags.ts";
import { importImage } from "../../src/pull/import-image.ts";
import { ociError } from "../code-of.ts";
import { type FakeImage, fakeImage } from "../fake-image.ts";
import { sha256 } from "../tar-builder.ts";
import { names, readOnlyTwin, removeRepositories, state, tempRepository } from "../temp-repository.ts";

let repository: Repository;
let image: FakeImage;
beforeEach(async () => {
  repository = await tempRepository();
  image = fakeImage(repository);
  await importImage(repository, image.source, { tag: "first" });
});
afterEach(removeRepositories);

const listed = (): string[] => listTags(repository).map(({ name }) => name);

test("an image has as many tags as it is given, sorted bytewise", async () => {
  for (const name of ["z", "Z", "a/b%c", "ä", "a", "\u{1f600}", "\uffee"]) await tagImage(repository, "first", name);
  expect(listed()).toEqual(["Z", "a", "a/b%c", "first", "z", "ä", "\uffee", "\u{1f600}"]);
  expect(new Set(listTags(repository).map(({ manifestDigest }) => manifestDigest))).toEqual(
    new Set([image.manifestDigest]),
  );
  expect(names(repository)["refs/oci/a%2Fb%25c"]).toBe(`../../oci-manifest-${image.manifestDigest}`);
});

test("a tag moves to another image", async () => {
  const other = fakeImage(repository);
  await importImage(repository, other.source);
  expect(await tagImage(repository, other.manifestDigest, "first")).toBe(other.manifestDigest);
  expect(readTag(repository, "first")).toBe(other.manifestDigest);
});

test.each<[string, (image: FakeImage) => string]>([
  ["tag", () => "first"],
  ["manifest digest", ({ manifestDigest }) => manifestDigest],
  ["@manifest digest", ({ manifestDigest }) => `@${manifestDigest}`],
  ["@config digest", ({ configDigest }) => `@${configDigest}`],
  ["first digits", ({ manifestDigest }) => manifestDigest.slice(7, 15)],
])("an image is named for a tag by %s", async (_, name) => {
  expect(await tagImage(repository, name(image), "second")).toBe(image.manifestDigest);
  expect(listed()).toEqual(["first", "second"]);
});

test.each<[string, string, string]>([
  ["REF_INVALID", "first", "@x"],
  ["REF_INVALID", "first", "a@b"],
  ["REF_INVALID", "first", "a@"],
  ["REF_INVALID", "first", ""],
  ["REF_INVALID", "first", ".."],
  ["REF_INVALID", "first", "a\0b"],
  ["REF_INVALID", "first", "a".repeat(256)],
  ["IMAGE_NOT_FOUND", "other", "x"],
  ["IMAGE_NOT_FOUND", sha256("never stored"), "x"],
  ["IMAGE_NOT_FOUND", `@${sha256("never stored")}`, "x"],
])("%s: tag '%s' as '%s' changes nothing", async (code, source, name) => {
  const before = state(repository);
  await expect(tagImage(repository, source, name)).rejects.toMatchObject(ociError(code));
  expect(state(repository)).toEqual(before);
});

test("the manifest that a tag names may be gone", async () => {
  const dangling = sha256("gone");
  symlinkSync(`../../oci-manifest-${dangling}`, join(repository.path, "streams/refs/oci/dangling"));
  await expect(tagImage(repository, "dangling", "x")).rejects.toMatchObject(ociError("IMAGE_NOT_FOUND"));
});

test("names that are no tags are left out", () => {
  const tags = join(repository.path, "streams/refs/oci");
  mkdirSync(join(tags, "empty"));
  writeFileSync(join(tags, "a-file"), "");
  symlinkSync(`../../oci-layer-${sha256("x")}`, join(tags, "a-layer"));
  symlinkSync("../../oci-manifest-sha256:../../x", join(tags, "no-digest"));
  symlinkSync("../../oci-manifest-evil", join(tags, "evil"));
  expect(listed()).toEqual(["first"]);
  for (const name of ["empty", "a-file", "a-layer", "no-digest", "evil"]) expect(readTag(repository, name)).toBeNull();
});

describe("untag", () => {
  test("removes the tag alone", async () => {
    await tagImage(repository, "first", "a/b");
    untagImage(repository, "a/b");
    expect(listed()).toEqual(["first"]);
    untagImage(repository, "first");
    expect(Object.keys(names(repository)).filter((name) => name.startsWith("refs/"))).toEqual([]);
    expect(names(repository)[`oci-manifest-${image.manifestDigest}`]).toBeDefined();
  });

  test.each(["absent", "first/x", "../oci/first", "%66irst"])("IMAGE_NOT_FOUND: '%s'", (name) => {
    expect(() => untagImage(repository, name)).toThrow(
      expect.objectContaining(ociError("IMAGE_NOT_FOUND", { tag: name })),
    );
    expect(listed()).toEqual(["first"]);
  });

  test.each(["", ".", "..", "a\0b"])("REF_INVALID: '%s'", (name) => {
    expect(() => untagImage(repository, name)).toThrow(expect.objectContaining({ code: "REF_INVALID" }));
    expect(listed()).toEqual(["first"]);
  });

  test("is the way to be rid of a tag that begins with @", () => {
    symlinkSync(`../../oci-manifest-${image.manifestDigest}`, join(repository.path, "streams/refs/oci/@old"));
    untagImage(repository, "@old");
    expect(listed()).toEqual(["first"]);
  });
});

test("a read-only repository keeps its tags", async () => {
  const readOnly = await readOnlyTwin(repository);
  await expect(tagImage(readOnly, "first", "x")).rejects.toMatchObject({ code: "REPO_READ_ONLY" });
  expect(() => untagImage(readOnly, "first")).toThrow(expect.objectContaining({ code: "REPO_READ_ONLY" }));
  expect(listTags(readOnly)).toHaveLength(1);
});
