import { expect, test } from "vitest";
import type { ObjectId } from "../../src/fsverity/object-id.ts";
import { DigestIndex } from "../../src/repository/digests-in-bytes.ts";

const [a, b] = ["1f".repeat(32), `ab${"cd".repeat(31)}`] as [ObjectId, ObjectId];
const index = new DigestIndex(new Set([a, b]), "sha256");
const raw = (id: string): Buffer => Buffer.from(id, "hex");

const cases: [string, Buffer, string[]][] = [
  ["nothing", Buffer.alloc(0), []],
  ["raw, alone", raw(a), [a]],
  ["raw, at an odd offset, twice", Buffer.concat([Buffer.alloc(3), raw(b), raw(a), raw(b)]), [b, a]],
  ["raw, cut short", raw(a).subarray(1), []],
  ["path", Buffer.from(`x/${b.slice(0, 2)}/${b.slice(2)}\0`), [b]],
  ["path without a slash before", Buffer.from(`${b.slice(0, 2)}/${b.slice(2)}`), [b]],
  ["digits", Buffer.from(`sha256:${a} `), [a]],
  ["digits among more digits", Buffer.from(`0${a}0`), [a]],
  ["an id nobody has", Buffer.concat([raw("00".repeat(32)), Buffer.from("00".repeat(32))]), []],
];

test.each(cases)("%s", (_, bytes, expected) => {
  expect(index.find(bytes)).toEqual(expected);
});
