import { expect, test } from "vitest";
import { objectIdFromBytes, objectPath } from "../../src/fsverity/object-id.ts";
import { isObjectId, parseObjectId } from "../../src/index.ts";
import { codeOf } from "../support.ts";

const ID = "ab".repeat(32);

test.each([
  [ID, "sha256", true],
  [ID + ID, "sha512", true],
  [ID, "sha512", false],
  [ID + ID, "sha256", false],
  [ID.toUpperCase(), "sha256", false],
  [`${ID.slice(1)}g`, "sha256", false],
  [`${ID.slice(1)}\n`, "sha256", false],
  [`../${ID.slice(3)}`, "sha256", false],
  ["", "sha256", false],
] as const)("%s as an id of %s: %s", async (text, hash, good) => {
  expect(isObjectId(text, hash)).toBe(good);
  expect(await codeOf(() => parseObjectId(text, hash))).toBe(good ? "none" : "DIGEST_INVALID");
});

test("bytes of a view become an id, and an id a path", () => {
  const id = objectIdFromBytes(Buffer.concat([Buffer.alloc(3), Buffer.alloc(32, 0xab)]).subarray(3));
  expect(id).toBe(ID);
  expect(objectPath(id)).toBe(`ab/${ID.slice(2)}`);
});
