import { expect, test } from "vitest";
import type { Platform } from "../../src/source/blob-source.ts";
import { hostPlatform, platformRank } from "../../src/source/platform.ts";

const parse = (text: string): Platform => {
  const [os = "", architecture = "", variant = null] = text.split("/");
  return { os, architecture, variant };
};

// What skopeo 1.9 chose of an index with --override-arch and --override-variant; null: it refused.
test.each([
  ["linux/arm/v7", ["linux/arm/v6"], "linux/arm/v6"],
  ["linux/arm/v8", ["linux/arm/v6"], "linux/arm/v6"],
  ["linux/arm", ["linux/arm/v6"], "linux/arm/v6"],
  ["linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"],
  ["linux/arm/v6", ["linux/arm/v5"], "linux/arm/v5"],
  ["linux/arm/v6", ["linux/arm"], "linux/arm"],
  ["linux/arm/v7", ["linux/arm/v8", "linux/arm/v6"], "linux/arm/v6"],
  ["linux/arm", ["linux/arm/v8", "linux/arm/v6"], "linux/arm/v8"],
  ["linux/arm", ["linux/arm/v6", "linux/arm"], "linux/arm"],
  ["linux/arm/v7", ["linux/arm", "linux/arm/v6"], "linux/arm/v6"],
  ["linux/arm/v6", ["linux/arm", "linux/arm/v7"], "linux/arm"],
  ["linux/arm/v6", ["linux/arm/v7"], null],
  ["linux/arm64", ["linux/arm64/v8", "linux/arm64/v9"], "linux/arm64/v8"],
  ["linux/arm64/v9", ["linux/arm64/v8", "linux/arm64/v9"], "linux/arm64/v9"],
  ["linux/arm64/v9", ["linux/arm64"], "linux/arm64"],
  ["linux/arm64/v8", ["linux/arm64"], "linux/arm64"],
  ["linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64"],
  ["linux/amd64", ["linux/amd64/v2", "linux/amd64"], "linux/amd64"],
  ["linux/amd64", ["linux/arm64", "windows/amd64"], null],
])("wanted %s, of %j: %s", (wanted, offered, chosen) => {
  const ranks = offered.map((found) => platformRank(parse(wanted), parse(found)));
  const suiting = offered.filter((_, i) => ranks[i] !== null);
  const [best = null] = suiting.sort((a, b) => rankOf(wanted, a) - rankOf(wanted, b));
  expect(best).toBe(chosen);
});

test("any variant is taken where none is wanted and none is better, which skopeo refuses", () => {
  expect(platformRank(parse("linux/amd64"), parse("linux/amd64/v2"))).not.toBeNull();
});

test.each([
  ["arm", "armv6l", "arm/v6"],
  ["arm", "armv7l", "arm/v7"],
  ["arm", "aarch64", "arm"],
  ["arm64", "aarch64", "arm64"],
  ["x64", "x86_64", "amd64"],
])("a machine of arch %s, %s, is %s", (arch, machine, expected) => {
  const { architecture, variant } = hostPlatform(arch, machine);
  expect(variant === null ? architecture : `${architecture}/${variant}`).toBe(expected);
});

function rankOf(wanted: string, found: string): number {
  return platformRank(parse(wanted), parse(found)) as number;
}
