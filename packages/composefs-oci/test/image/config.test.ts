import { expect, test } from "vitest";
import { parseConfig } from "../../src/image/config.ts";
import { codeOf } from "../code-of.ts";

const DIGEST = `sha256:${"0".repeat(64)}`;
const CONFIG = { architecture: "arm64", os: "linux", rootfs: { type: "layers", diff_ids: [DIGEST, DIGEST] } };
const parse = (value: unknown) => parseConfig(Buffer.from(JSON.stringify(value)));

test("a config", () => {
  expect(parse({ ...CONFIG, created: "2024-01-01T00:00:00Z", config: {} })).toEqual({
    architecture: "arm64",
    os: "linux",
    variant: null,
    created: "2024-01-01T00:00:00Z",
    diffIds: [DIGEST, DIGEST],
  });
  expect(parse({ ...CONFIG, variant: "v8" }).variant).toBe("v8");
  expect(parse({ ...CONFIG, created: null }).created).toBeNull();
  expect(parse({ ...CONFIG, rootfs: { type: "layers", diff_ids: [] } }).diffIds).toEqual([]);
});

test.each<[string, string, unknown]>([
  ["MANIFEST_INVALID", "no object", 1],
  ["MANIFEST_INVALID", "no architecture", { ...CONFIG, architecture: undefined }],
  ["MANIFEST_INVALID", "no os", { ...CONFIG, os: undefined }],
  ["MANIFEST_INVALID", "os is null", { ...CONFIG, os: null }],
  ["MANIFEST_INVALID", "no rootfs", { ...CONFIG, rootfs: undefined }],
  ["MANIFEST_INVALID", "rootfs is a list", { ...CONFIG, rootfs: [] }],
  ["MANIFEST_INVALID", "no rootfs type", { ...CONFIG, rootfs: { diff_ids: [] } }],
  ["MANIFEST_INVALID", "no diff_ids", { ...CONFIG, rootfs: { type: "layers" } }],
  ["MANIFEST_INVALID", "diff_ids is a string", { ...CONFIG, rootfs: { type: "layers", diff_ids: DIGEST } }],
  ["MANIFEST_INVALID", "a diff_id is a number", { ...CONFIG, rootfs: { type: "layers", diff_ids: [1] } }],
  ["MANIFEST_INVALID", "created is a number", { ...CONFIG, created: 1 }],
  ["DIGEST_INVALID", "a diff_id is no digest", { ...CONFIG, rootfs: { type: "layers", diff_ids: ["x"] } }],
])("%s: %s", (code, _, value) => expect(codeOf(() => parse(value))).toBe(code));

test("an error names the entry at fault", () => {
  const bad = { ...CONFIG, rootfs: { type: "layers", diff_ids: [DIGEST, "sha256:1"] } };
  expect(() => parse(bad)).toThrow(
    expect.objectContaining({ details: { digest: "sha256:1", place: "config.rootfs.diff_ids[1]" } }),
  );
});
