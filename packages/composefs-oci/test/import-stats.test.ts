import type { StoreMethod } from "@composefs/core";
import { expect, test } from "vitest";
import { addStats, countObject, emptyStats } from "../src/import-stats.ts";

test.each<[StoreMethod, object]>([
  ["reflinked", { objectsReflinked: 1, bytesReflinked: 100 }],
  ["hardlinked", { objectsHardlinked: 1, bytesHardlinked: 100 }],
  ["copied", { objectsCopied: 1, bytesCopied: 100 }],
  ["already-present", { objectsAlreadyPresent: 1 }],
])("%s is counted with its bytes, save when nothing was stored", (method, expected) => {
  const counter = emptyStats();
  countObject(counter, method, 100);
  expect(counter).toEqual({ ...emptyStats(), ...expected });
});

test("every field is added", () => {
  const ones = Object.fromEntries(Object.keys(emptyStats()).map((key) => [key, 1])) as unknown as ReturnType<
    typeof emptyStats
  >;
  const counter = emptyStats();
  addStats(counter, ones);
  addStats(counter, ones);
  expect(new Set(Object.values(counter))).toEqual(new Set([2]));
});
