import { expect, test } from "vitest";
import { parseLayerRecords } from "../src/layer-records.ts";
import { thrownBy } from "./code-of.ts";

const ID = "ab".repeat(32);
const parse = (value: unknown) => parseLayerRecords(JSON.stringify(value), "layers.json");
const BARE = { id: ID, parent: null, diffDigest: null, expectedDiffId: null, diffSize: null, incomplete: false };

test.each(["", "\n", "null", "[]"])("%j has no layers", (text) => {
  expect(parseLayerRecords(text, "layers.json")).toEqual([]);
});

test.each<[fields: object, expected: object]>([
  [{}, {}],
  [{ parent: "", "diff-digest": "", flags: null, "diff-size": null }, {}],
  [
    { parent: "p", "diff-digest": "sha256:1", "diff-size": 512 },
    { parent: "p", diffDigest: "sha256:1", diffSize: 512 },
  ],
  [{ "diff-size": 0 }, { diffSize: 0 }],
  [{ "diff-size": -1 }, { diffSize: null }],
  [{ "diff-size": Number.MAX_SAFE_INTEGER }, { diffSize: Number.MAX_SAFE_INTEGER }],
  [{ flags: { incomplete: true } }, { incomplete: true }],
  [{ flags: { incomplete: false, other: 1 } }, {}],
  [{ flags: { "expected-layer-diffid": "sha256:2" } }, { expectedDiffId: "sha256:2" }],
  [{ created: "2026", "compressed-size": "x", uidset: [0] }, {}],
])("%j", (fields, expected) => {
  expect(parse([{ id: ID, ...fields }])).toEqual([{ ...BARE, ...expected }]);
});

test.each<[fields: object, position: string]>([
  [{ id: "ab" }, "[0].id"],
  [{ parent: 1 }, "[0].parent"],
  [{ "diff-digest": [] }, "[0].diff-digest"],
  [{ "diff-size": "512" }, "[0].diff-size"],
  [{ "diff-size": 1.5 }, "[0].diff-size"],
  [{ "diff-size": 2 ** 53 }, "[0].diff-size"],
  [{ flags: [] }, "[0].flags"],
  [{ flags: { incomplete: "yes" } }, "[0].flags.incomplete"],
  [{ flags: { "expected-layer-diffid": 1 } }, "[0].flags.expected-layer-diffid"],
])("%j: error at %s", (fields, position) => {
  expect(thrownBy(() => parse([{ id: ID, ...fields }]))).toMatchObject({
    code: "STORE_CORRUPT",
    details: { file: "layers.json", position },
  });
});
