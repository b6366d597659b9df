import { createDirectory } from "@composefs/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import { applyLayer } from "../../src/tree/apply-layer.ts";
import { outline } from "./outline.ts";
import { dir, file, layerStream, link, symlink, type TestEntry } from "./tar-builder.ts";

const DIFF_ID = `sha256:${"b".repeat(64)}` as OciDigest;

const name = fc.constantFrom("a", "b", "c");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
/** Directories first, so that most entries have their parents. */
const skeleton = fc.subarray(["a", "b", "a/a", "a/b", "b/a"]).map((paths) => paths.map((each) => dir(each)));
const entry: fc.Arbitrary<TestEntry> = fc.oneof(
  path.map((each) => dir(each, 0o700)),
  fc.tuple(path, fc.constantFrom("one", "two")).map(([each, content]) => file(each, content)),
  path.map((each) => symlink(each, "a")),
  fc.tuple(path, path).map(([each, target]) => link(each, target)),
);
const whiteout = fc
  .tuple(fc.constantFrom("", "a/", "b/", "a/a/"), fc.constantFrom("a", "b", "c", ".wh..opq"))
  .map(([parent, each]) => file(`${parent}.wh.${each}`, ""));
const layer = fc.tuple(skeleton, fc.array(entry, { maxLength: 4 })).map(([dirs, entries]) => [...dirs, ...entries]);
const whiteouts = fc.array(whiteout, { minLength: 1, maxLength: 4 });

/** The tree, or null where a layer is refused. */
function attempt(layers: readonly (readonly TestEntry[])[], compatWhiteouts = false): string[] | null {
  const root = createDirectory();
  try {
    for (const entries of layers) {
      applyLayer(root, { diffId: DIFF_ID, stream: layerStream(entries) }, { compatWhiteouts });
    }
  } catch (error) {
    expect(error).toMatchObject({ code: "LAYER_UNSUPPORTED" });
    return null;
  }
  return outline(root);
}

/** `marks` put into `entries` at `places`, in their own order reversed or not. */
function mix(entries: readonly TestEntry[], marks: readonly TestEntry[], places: readonly number[]): TestEntry[] {
  const mixed = [...entries];
  for (const [i, mark] of marks.entries()) mixed.splice((places[i] ?? 0) % (mixed.length + 1), 0, mark);
  return mixed;
}

/** Those of `entries` that the reference takes one after the other on top of `lower`. */
function sound(lower: readonly (readonly TestEntry[])[], entries: readonly TestEntry[]): TestEntry[] {
  const taken: TestEntry[] = [];
  for (const each of entries) if (attempt([...lower, [...taken, each]], true) !== null) taken.push(each);
  return taken;
}

test("it makes no difference where whiteouts stand in the tar", { timeout: 60_000 }, () => {
  let taken = 0;
  fc.assert(
    fc.property(
      layer,
      layer,
      whiteouts,
      fc.array(fc.nat(20), { minLength: 4, maxLength: 4 }),
      fc.boolean(),
      (lowerEntries, upperEntries, marks, places, reversed) => {
        const lower = sound([], lowerEntries);
        const upper = sound([lower], upperEntries);
        const last = attempt([lower, [...upper, ...marks]]);
        if (last !== null) taken++;
        expect(attempt([lower, mix(upper, reversed ? marks.toReversed() : marks, places)])).toEqual(last);
      },
    ),
    { numRuns: 500 },
  );
  expect(taken).toBeGreaterThan(50);
});

test("whiteouts that come first mean the same in the reference's reading", { timeout: 60_000 }, () => {
  fc.assert(
    fc.property(layer, layer, whiteouts, (lowerEntries, upperEntries, marks) => {
      const lower = sound([], lowerEntries);
      const upper = sound([lower], [...marks, ...upperEntries]);
      expect(attempt([lower, upper])).toEqual(attempt([lower, upper], true));
    }),
    { numRuns: 500 },
  );
});
