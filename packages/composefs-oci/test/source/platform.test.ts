import { expect, test } from "vitest";
import type { Platform } from "../../src/source/blob-source.ts";
import { platformFits } from "../../src/source/platform.ts";

const parse = (text: string): Platform => {
  const [os = "", architecture = "", variant = null] = text.split("/");
  return { os, architecture, variant };
};

// What skopeo 1.9 chooses with --override-arch and --override-variant.
test.each([
  ["linux/amd64", "linux/amd64", true],
  ["linux/amd64", "linux/arm64", false],
  ["linux/amd64", "windows/amd64", false],
  ["linux/arm64", "linux/arm64/v8", true],
  ["linux/arm64/v8", "linux/arm64", true],
  ["linux/arm64/v9", "linux/arm64", false],
  ["linux/arm/v7", "linux/arm", true],
  ["linux/arm/v7", "linux/arm/v7", true],
  ["linux/arm/v6", "linux/arm/v7", false],
  ["linux/amd64/v2", "linux/amd64", false],
])("wanted %s, found %s: %s", (wanted, found, fits) => {
  expect(platformFits(parse(wanted), parse(found))).toBe(fits);
});
