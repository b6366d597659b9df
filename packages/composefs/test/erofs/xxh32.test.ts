import { expect, test } from "vitest";
import { xxh32 } from "../../src/erofs/xxh32.ts";

/** Seed of name filters. */
const SEED = 0x25bbe08f;

// The first five: erofs-image.md §2.5; the others: the values that xxHash's own documentation and bindings show.
test.each([
  ["overlay.opaque", SEED + 4, 0x4ce0a7f4],
  ["overlay.metacopy", SEED + 4, 0xdbe5e05f],
  ["overlay.redirect", SEED + 4, 0x887ec271],
  ["selinux", SEED + 6, 0x9490146b],
  ["a", SEED + 1, 0x371a8cd5],
  ["", SEED + 2, 0x0857597e],
  ["", 0, 0x02cc5d05],
  ["Nobody inspects the spammish repetition", 0, 0xe2293b2f],
])("%j with seed %i", (text, seed, expected) => {
  expect(xxh32(text, seed)).toBe(expected);
});
