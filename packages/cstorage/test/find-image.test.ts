import { describe, expect, test } from "vitest";
import { findImage } from "../src/find-image.ts";
import type { ImageRecord } from "../src/image-records.ts";
import { parseImageReference } from "../src/image-reference.ts";
import { thrownBy } from "./code-of.ts";

const DIGEST = `sha256:${"d".repeat(64)}`;
const LIST_DIGEST = `sha256:${"e".repeat(64)}`;
const PINNED_DIGEST = `sha256:${"b".repeat(64)}`;
const id = (start: string): string => start.padEnd(64, "0");

function image(start: string, names: string[], digests: Record<string, string> = {}): ImageRecord {
  return {
    id: id(start),
    digest: digests.manifest ?? null,
    names,
    layer: null,
    bigDataDigests: new Map(Object.entries(digests)),
  };
}

const primary = [
  image("abc1", ["localhost/app:latest", "localhost/app:v1"], {
    manifest: DIGEST,
    [`manifest-${LIST_DIGEST}`]: LIST_DIGEST,
  }),
  image("abc2", ["docker.io/library/app:latest"]),
  image("abd3", ["quay.io/team/tool:latest"]),
  image("5ee4", ["registry.example:5000/team/tool:latest"]),
  image("f00", []),
  image("b5", [`docker.io/library/pinned@${LIST_DIGEST}`], { manifest: PINNED_DIGEST }),
];
const additional = [
  image("abc1", ["localhost/app:latest"]),
  image("99", ["localhost/base:latest", "localhost/app:other"]),
];
const find = (text: string) => findImage([primary, additional], parseImageReference(text));

describe("finds", () => {
  test.each<[text: string, id: string, store: number]>([
    ["localhost/app:latest", "abc1", 0],
    ["localhost/app", "abc1", 0],
    ["app", "abc1", 0],
    ["app:v1", "abc1", 0],
    ["docker.io/app", "abc2", 0],
    ["index.docker.io/library/app", "abc2", 0],
    ["registry.example:5000/team/tool", "5ee4", 0],
    ["base", "99", 1],
    ["app:other", "99", 1],
    [id("f00"), "f00", 0],
    [`@${id("f00")}`, "f00", 0],
    [`sha256:${id("f00")}`, "f00", 0],
    [DIGEST, "abc1", 0],
    [`@${DIGEST}`, "abc1", 0],
    [`app@${DIGEST}`, "abc1", 0],
    [`app:nosuchtag@${DIGEST}`, "abc1", 0],
    [`app@${LIST_DIGEST}`, "abc1", 0],
    [`pinned@${LIST_DIGEST}`, "b5", 0],
    [`pinned@${PINNED_DIGEST}`, "b5", 0],
    ["pinned@b50", "b5", 0],
    ["app@abc1", "abc1", 0],
    ["@abd", "abd3", 0],
    ["abd", "abd3", 0],
    ["abc10", "abc1", 0],
  ])("%s", (text, start, store) => {
    const found = find(text);
    expect(found.image.id).toBe(id(start));
    expect(found.store).toBe(store);
  });
});

describe("refuses", () => {
  test.each<[text: string, code: string]>([
    ["nothing", "STORE_IMAGE_NOT_FOUND"],
    ["App", "STORE_IMAGE_NOT_FOUND"],
    ["pp", "STORE_IMAGE_NOT_FOUND"],
    ["ab", "STORE_IMAGE_NOT_FOUND"],
    ["ABD", "STORE_IMAGE_NOT_FOUND"],
    [`tool@${DIGEST}`, "STORE_IMAGE_NOT_FOUND"],
    ["tool@abc1", "STORE_IMAGE_NOT_FOUND"],
    [`sha256:${"1".repeat(64)}`, "STORE_IMAGE_NOT_FOUND"],
    ["../../etc/passwd", "STORE_IMAGE_NOT_FOUND"],
    ["abc", "REF_AMBIGUOUS"],
    ["@abc", "REF_AMBIGUOUS"],
    ["team/tool", "REF_AMBIGUOUS"],
  ])("%s: %s", (text, code) => {
    expect(thrownBy(() => find(text))?.code).toBe(code);
  });
});

test("an ambiguity lists the candidates", () => {
  const error = thrownBy(() => find("team/tool"));
  expect(error?.details.candidates).toEqual([
    { id: id("abd3"), names: ["quay.io/team/tool:latest"] },
    { id: id("5ee4"), names: ["registry.example:5000/team/tool:latest"] },
  ]);
});

test("one image listed twice is no ambiguity", () => {
  const twin = image("7a", ["localhost/twin:latest", "quay.io/x/twin:latest"]);
  expect(findImage([[twin, twin]], parseImageReference("x/twin")).image.id).toBe(id("7a"));
});

describe("suggests", () => {
  test.each<[text: string, suggestions: string[]]>([
    ["quay.io/other/tool:v9", ["quay.io/team/tool:latest", "registry.example:5000/team/tool:latest"]],
    ["bsae", ["localhost/base:latest"]],
    ["bas", ["localhost/base:latest"]],
    ["tol", ["quay.io/team/tool:latest", "registry.example:5000/team/tool:latest"]],
    [`tool@${DIGEST}`, ["quay.io/team/tool:latest", "registry.example:5000/team/tool:latest"]],
    ["nothing-like-it", []],
    [`${"x".repeat(5000)}`, []],
  ])("%s", (text, suggestions) => {
    const error = thrownBy(() => find(text));
    expect(error?.details.suggestions).toEqual(suggestions);
    expect(error?.hint === undefined).toBe(suggestions.length === 0);
  });
});
