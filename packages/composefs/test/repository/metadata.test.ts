import { expect, test } from "vitest";
import { encodeMetadata, parseMetadata } from "../../src/repository/metadata.ts";

const parse = (text: string) => parseMetadata(Buffer.from(text), "meta.json");

test("a list of formats is written one a line, ascending", () => {
  const text = Buffer.from(encodeMetadata("sha256", { default: 1, extra: [2, 0] })).toString();
  expect(text).toContain('"default": 1,\n    "extra": [\n      0,\n      2\n    ]\n  }\n}\n');
  expect(parse(text).erofs).toEqual({ default: 1, extra: [0, 2] });
});

test("what parse reads is what encode wrote", () => {
  for (const hash of ["sha256", "sha512"] as const) {
    for (const version of [0, 1, 2] as const) {
      const erofs = { default: version, extra: [] };
      expect(parseMetadata(encodeMetadata(hash, erofs), "x")).toEqual({ hash, erofs, unknownReadOnlyFeatures: [] });
    }
  }
});

test("unknown read-only-compatible features are kept, the known one is not", () => {
  const text =
    '{"version":1,"algorithm":"fsverity-sha256-12","features":{"read-only-compatible":["x","v1_erofs","y"]}}';
  expect(parse(text).unknownReadOnlyFeatures).toEqual(["x", "y"]);
});

test.each([
  ['{"version":4294967296,"algorithm":"fsverity-sha256-12"}', "REPO_UNSUPPORTED"],
  ['{"version":1e400,"algorithm":"fsverity-sha256-12"}', "REPO_METADATA_INVALID"],
  ['{"version":1,"algorithm":"fsverity-sha256-12","features":{"compatible":[1]}}', "REPO_METADATA_INVALID"],
  ['{"version":1,"algorithm":"fsverity-sha256-12","erofs_formats":"1"}', "REPO_METADATA_INVALID"],
  ["\u0000", "REPO_METADATA_INVALID"],
])("%s: %s", (text, code) => {
  expect(() => parse(text)).toThrow(expect.objectContaining({ code }));
});
