import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { contentType, type ObjectId, parseSplitstream, SplitstreamWriter } from "../../src/index.ts";

const id = (digit: string): ObjectId => digit.repeat(64) as ObjectId;
const writer = (): SplitstreamWriter => new SplitstreamWriter("sha256", contentType("testtype"));

test("counts what it describes", () => {
  const one = writer();
  one.inline(Buffer.from("abc"));
  one.inline(new Uint8Array(0));
  one.external(id("a"), 2 ** 40);
  one.external(id("b"), 5);
  one.external(id("a"), 2 ** 40);
  expect([one.size, one.inlineBytes, one.objectCount]).toEqual([2 ** 41 + 8, 3, 2]);
});

test("neighbouring inline runs are one chunk: the bytes do not tell how they came", () => {
  const cut = writer();
  for (const letter of "abcdef") cut.inline(Buffer.from(letter));
  const whole = writer();
  whole.inline(Buffer.from("abcdef"));
  expect(Buffer.from(cut.finish()).equals(whole.finish())).toBe(true);
});

test("names: sorted by bytes, the later id counts, ids may be shared", () => {
  const one = writer();
  for (const [name, digit] of [
    ["b", "1"],
    ["ü", "2"],
    ["a", "1"],
    ["B", "3"],
    ["b", "3"],
  ] as const) {
    one.ref(name, id(digit));
  }
  expect([...parseSplitstream(one.finish(), "sha256", "x").namedRefs]).toEqual([
    ["B", id("3")],
    ["a", id("1")],
    ["b", id("3")],
    ["ü", id("2")],
  ]);
});

test("tells what its literal bytes take, also of a run not ended", () => {
  const one = writer();
  expect(one.compressedBytes).toBe(0);
  for (let i = 0; i < 20; i++) one.inline(randomBytes(2 ** 20));
  const running = one.compressedBytes;
  expect(running).toBeGreaterThan(10 * 2 ** 20);
  one.external(id("a"), 100);
  expect(one.compressedBytes).toBeGreaterThanOrEqual(running);
  expect(one.finish().length).toBeGreaterThan(20 * 2 ** 20);
});
