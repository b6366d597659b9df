import { describe, expect, test } from "vitest";
import { bootImageArgument, findBootImage, setArgument } from "../../src/boot/kernel-arguments.ts";
import type { ObjectId } from "../../src/fsverity/object-id.ts";
import { codeOf } from "../support.ts";

const ID = "85ee1a93504488fccf74af54333d12b61f327e610e7416284b93c5ba55bf5bb3" as ObjectId;
const LONG = "ab".repeat(64) as ObjectId;

// The forms are those of composefs-rs: `cfsctl compute-karg`, oci.md §6.3.
test.each([
  [0, "sha256", ID, false, `composefs.digest=v1-sha256-12:${ID}`],
  [1, "sha256", ID, false, `composefs.digest=v1-sha256-12:${ID}`],
  [1, "sha512", LONG, true, `composefs.digest=?v1-sha512-12:${LONG}`],
  [2, "sha256", ID, false, `composefs=${ID}`],
  [2, "sha512", LONG, true, `composefs=?${LONG}`],
] as const)("format %i, %s", (version, hash, id, insecure, text) => {
  expect(bootImageArgument({ version, hash, id, insecure })).toBe(text);
  expect(findBootImage(`root=1 ${text} quiet`, hash)).toBe(id);
});

describe("a command line", () => {
  test.each([
    ["", null],
    ["root=1 composefsx=1 xcomposefs=2", null],
    [`a\tcomposefs=${ID}\nb`, ID],
    [`composefs=${ID} composefs.digest=v1-sha256-12:${"0".repeat(64)}`, "0".repeat(64)],
    [`composefs.digest=v1-sha512-12:${LONG} composefs.digest=?v2-sha256-12:${ID}`, ID],
    [`composefs.digest=v1-sha512-12:${LONG} composefs=?${ID}`, ID],
    [`composefs.digest=v1-sha512-12:${LONG}`, null],
    [`"composefs=${ID} x" y`, null],
    [`x="a b composefs=1" composefs=${ID}`, ID],
  ])("%j names %s", (line, id) => expect(findBootImage(line, "sha256")).toBe(id));

  test.each([
    "composefs=",
    "composefs=?",
    "composefs=zz",
    `composefs=${ID}0`,
    "composefs.digest=v1-sha256-12:zz",
    `composefs=${LONG}`,
  ])("%j is refused", async (line) =>
    expect(await codeOf(() => findBootImage(line, "sha256"))).toBe("BOOT_ENTRY_INVALID"),
  );

  test.each([
    ["", "a=1", " a=1"],
    ["b a=2 a=3", "a=1", "b a=1 a=3"],
    ["a ab=1", "a=1", "a ab=1 a=1"],
    ["x  quiet=1\ty", "quiet", "x  quiet\ty"],
    ["quieter", "quiet", "quieter quiet"],
    ['"a=1 2" c="d a=3" a=4 e', "a=5", '"a=1 2" c="d a=3" a=5 e'],
    [" a=1 ", "a=2", " a=2 "],
    ["a=1", "a=$& $1", "a=$& $1"],
  ])("%j with %j is %j", (line, argument, text) => expect(setArgument(line, argument)).toBe(text));
});
