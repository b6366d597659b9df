import { expect, test } from "vitest";
import { digestsOfImage, parseImageRecords } from "../src/image-records.ts";
import { thrownBy } from "./code-of.ts";

const ID = "ab".repeat(32);
const parse = (value: unknown) => parseImageRecords(JSON.stringify(value), "images.json");

test.each(["", " \n", "null", "[]"])("%j has no images", (text) => {
  expect(parseImageRecords(text, "images.json")).toEqual([]);
});

test("reads the fields and ignores others", () => {
  const digests = { manifest: "sha256:1", "manifest-sha256:2": "sha256:2", "sha256:3": "sha256:3" };
  const [record] = parse([
    {
      id: ID,
      digest: "sha256:0",
      names: ["a", "b"],
      layer: "l",
      "big-data-digests": digests,
      metadata: "{}",
      other: 1,
    },
  ]);
  expect(record).toEqual({
    id: ID,
    digest: "sha256:0",
    names: ["a", "b"],
    layer: "l",
    bigDataDigests: new Map(Object.entries(digests)),
  });
  expect(digestsOfImage(record as never)).toEqual(["sha256:0", "sha256:1", "sha256:2"]);
});

test("an image may have no names, layer or digests", () => {
  const bare = { id: ID, digest: null, names: [], layer: null, bigDataDigests: new Map() };
  expect(parse([{ id: ID }, { id: ID, names: null, layer: "", digest: "", "big-data-digests": null }])).toEqual([
    bare,
    bare,
  ]);
});

test.each<[value: unknown, position: string]>([
  [{}, ""],
  ["x", ""],
  [[1], "[0]"],
  [[{ id: ID }, null], "[1]"],
  [[{}], "[0].id"],
  [[{ id: "../x" }], "[0].id"],
  [[{ id: ID.toUpperCase() }], "[0].id"],
  [[{ id: ID, names: "a" }], "[0].names"],
  [[{ id: ID, names: ["a", 2] }], "[0].names.1"],
  [[{ id: ID, layer: 7 }], "[0].layer"],
  [[{ id: ID, digest: {} }], "[0].digest"],
  [[{ id: ID, "big-data-digests": [] }], "[0].big-data-digests"],
  [[{ id: ID, "big-data-digests": { manifest: 1 } }], "[0].big-data-digests.manifest"],
])("%j: error at %s", (value, position) => {
  expect(thrownBy(() => parse(value))).toMatchObject({
    code: "STORE_CORRUPT",
    details: { file: "images.json", position },
  });
});

test("text that is no JSON", () => {
  expect(thrownBy(() => parseImageRecords("[{", "images.json"))).toMatchObject({
    code: "STORE_CORRUPT",
    details: { file: "images.json" },
  });
});
