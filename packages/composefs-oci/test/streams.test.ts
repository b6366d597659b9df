import { expect, test } from "vitest";
import type { OciDigest } from "../src/digest.ts";
import { configRefName, contentId, manifestDigestOf } from "../src/streams.ts";

const DIGEST = `sha256:${"0".repeat(64)}` as OciDigest;

// Names as composefs-rs writes them (oci.md §3.1).
test("names of streams and references", () => {
  expect(contentId("layer", DIGEST)).toBe(`oci-layer-${DIGEST}`);
  expect(contentId("config", DIGEST)).toBe(`oci-config-${DIGEST}`);
  expect(contentId("manifest", DIGEST)).toBe(`oci-manifest-${DIGEST}`);
  expect(configRefName(DIGEST)).toBe(`config:${DIGEST}`);
});

test.each([
  [`oci-manifest-${DIGEST}`, DIGEST],
  [`oci-config-${DIGEST}`, null],
  ["oci-manifest-", null],
  ["oci-manifest-sha256:0", null],
  ["oci-manifest-md5:00", null],
])("manifest of '%s'", (entry, expected) => expect(manifestDigestOf(entry)).toBe(expected));
