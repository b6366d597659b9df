import { describe, expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import { addToIndex, type NewIndexEntry } from "../../src/sink/layout-index.ts";
import { codeOf } from "../code-of.ts";

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const digest = (digit: string): OciDigest => `sha256:${digit.repeat(64)}` as OciDigest;
const added = (digit: string, tag: string | null): NewIndexEntry => ({
  mediaType: MANIFEST,
  digest: digest(digit),
  size: 5,
  artifactType: null,
  tag,
});
const listed = (digit: string, tag?: string, more: object = {}) => ({
  mediaType: MANIFEST,
  digest: digest(digit),
  size: 5,
  ...more,
  ...(tag === undefined ? {} : { annotations: { "org.opencontainers.image.ref.name": tag } }),
});
const index = (...manifests: object[]): Buffer => Buffer.from(JSON.stringify({ schemaVersion: 2, manifests }));

/** The entries afterwards; null when nothing changed. */
function add(before: Uint8Array | null, ...entries: NewIndexEntry[]): unknown {
  const bytes = addToIndex(before, entries, "index.json");
  return bytes === null ? null : (JSON.parse(Buffer.from(bytes).toString()) as { manifests: unknown }).manifests;
}

test("a new index", () => {
  const bytes = addToIndex(null, [added("1", "a")], "index.json");
  expect(Buffer.from(bytes ?? []).toString()).toBe(
    `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"${MANIFEST}","digest":"${digest("1")}","size":5,"annotations":{"org.opencontainers.image.ref.name":"a"}}]}`,
  );
});

test.each<[string, Uint8Array, NewIndexEntry[], unknown]>([
  ["another name", index(listed("1", "a")), [added("2", "b")], [listed("1", "a"), listed("2", "b")]],
  [
    "the name moves",
    index(listed("1", "a"), listed("3", "c")),
    [added("2", "a")],
    [listed("2", "a"), listed("3", "c")],
  ],
  ["a second name", index(listed("1", "a")), [added("1", "b")], [listed("1", "a"), listed("1", "b")]],
  ["the same again", index(listed("1", "a", { platform: { os: "x" } })), [added("1", "a")], null],
  [
    "a name that two had",
    index(listed("1", "a"), listed("3", "c"), listed("2", "a", { platform: {} })),
    [added("2", "a")],
    [listed("2", "a", { platform: {} }), listed("3", "c")],
  ],
  ["without a name", index(listed("1", "a")), [added("2", null)], [listed("1", "a"), listed("2")]],
  ["without a name, there with one", index(listed("1", "a")), [added("1", null)], null],
  [
    "an artifact",
    index(),
    [{ ...added("1", null), artifactType: "text/x" }],
    [listed("1", undefined, { artifactType: "text/x" })],
  ],
  ["several", index(), [added("1", "a"), added("2", null), added("1", "a")], [listed("1", "a"), listed("2")]],
  ["nothing", index(listed("1", "a")), [], null],
])("%s", (_, before, entries, after) => expect(add(before, ...entries)).toEqual(after));

test("what else the index has stays", () => {
  const before = Buffer.from('{"x":{"y":1},"schemaVersion":2,"annotations":{"k":"v"},"manifests":[]}');
  const after = JSON.parse(Buffer.from(addToIndex(before, [added("1", null)], "i") ?? []).toString()) as object;
  expect(after).toEqual({ x: { y: 1 }, schemaVersion: 2, annotations: { k: "v" }, manifests: [listed("1")] });
});

describe("no index", () => {
  test.each([
    ["no JSON", "hello"],
    ["empty", ""],
    ["a list", "[]"],
    ["no manifests", '{"schemaVersion":2}'],
    ["manifests of another type", '{"schemaVersion":2,"manifests":{}}'],
    ["an entry that is none", '{"schemaVersion":2,"manifests":[1]}'],
    ["an entry without a digest", '{"schemaVersion":2,"manifests":[{}]}'],
    ["annotations that are none", '{"schemaVersion":2,"manifests":[{"digest":"x","annotations":1}]}'],
    [
      "a name that is none",
      '{"schemaVersion":2,"manifests":[{"digest":"x","annotations":{"org.opencontainers.image.ref.name":1}}]}',
    ],
    ["another version", '{"schemaVersion":1,"manifests":[]}'],
    ["a manifest", `{"schemaVersion":2,"mediaType":"${MANIFEST}","manifests":[]}`],
    ["no UTF-8", "\xff"],
  ])("DESTINATION_INVALID: %s", (_, text) => {
    expect(codeOf(() => addToIndex(Buffer.from(text, "latin1"), [], "index.json"))).toBe("DESTINATION_INVALID");
  });
});
