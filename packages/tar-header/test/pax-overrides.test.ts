import { expect, test } from "vitest";
import { parsePaxOverrides } from "../src/pax-overrides.ts";
import { concat, paxRecord, text } from "./tar-builder.ts";

const read = (...records: [string, string][]) =>
  parsePaxOverrides(concat(records.map(([key, value]) => paxRecord(key, value))));

test("nothing said, nothing overridden", () => {
  expect(read(["atime", "x"], ["comment", ""], ["uname", "root"], ["paths", "x"], ["LIBARCHIVE.xattr.a", "b"])).toEqual(
    {
      path: null,
      linkPath: null,
      size: null,
      uid: null,
      gid: null,
      mtimeSeconds: null,
      mtimeNanoseconds: null,
      xattrs: [],
    },
  );
});

test("the last record of a key wins", () => {
  const result = read(["path", "a"], ["size", "1"], ["path", "b"], ["linkpath", "c"], ["size", "2"], ["linkpath", "d"]);
  expect(text(result.path as Uint8Array)).toBe("b");
  expect(text(result.linkPath as Uint8Array)).toBe("d");
  expect(result.size).toBe(2);
});

test.each<[string, number]>([
  ["4294967295", 4294967295],
  ["4294967296", 0],
  ["4294967297", 1],
  ["18446744073709551615", 4294967295],
  ["+7", 7],
  ["000000000000000000000000000000007", 7],
])("uid %s wraps to %d", (value, expected) => {
  expect(read(["uid", value], ["gid", value])).toMatchObject({ uid: expected, gid: expected });
});

test.each<[string, number, number]>([
  ["5", 5, 0],
  ["+5", 5, 0],
  ["5.", 5, 0],
  ["5.5", 5, 500_000_000],
  ["5.05", 5, 50_000_000],
  ["5.123456789", 5, 123_456_789],
  ["5.1234567899", 5, 123_456_789],
  ["5.123456789x", 5, 123_456_789],
  ["5.x", 5, 0],
  ["9007199254740991.1", Number.MAX_SAFE_INTEGER, 100_000_000],
  ["18446744073709551611", -5, 0],
])("mtime %s", (value, seconds, nanoseconds) => {
  expect(read(["mtime", value])).toMatchObject({ mtimeSeconds: seconds, mtimeNanoseconds: nanoseconds });
});

test("seconds of the last mtime, nanoseconds of the first", () => {
  expect(read(["mtime", "1.25"], ["mtime", "2.5"])).toMatchObject({ mtimeSeconds: 2, mtimeNanoseconds: 250_000_000 });
  expect(read(["mtime", "1"], ["mtime", "2.5"])).toMatchObject({ mtimeSeconds: 2, mtimeNanoseconds: 0 });
});

test.each<[string, string, string]>([
  ["mtime", "-5", "TAR_MALFORMED"],
  ["mtime", "", "TAR_MALFORMED"],
  ["mtime", ".5", "TAR_MALFORMED"],
  ["mtime", "+", "TAR_MALFORMED"],
  ["mtime", "18446744073709551616", "TAR_MALFORMED"],
  ["mtime", "9007199254740992", "FIELD_OVERFLOW"],
  ["size", "9007199254740992", "FIELD_OVERFLOW"],
  ["size", "0x10", "TAR_MALFORMED"],
  ["size", "-1", "TAR_MALFORMED"],
  ["size", " 1", "TAR_MALFORMED"],
  ["uid", "", "TAR_MALFORMED"],
  ["gid", "99999999999999999999999", "TAR_MALFORMED"],
  ["GNU.sparse.major", "1", "TAR_MALFORMED"],
  ["GNU.sparse.size", "1", "TAR_MALFORMED"],
])("refused: %s=%s", (key, value, code) => {
  // A later good record does not heal a bad one.
  expect(() => read([key, value], ["mtime", "1"], ["size", "1"], ["uid", "1"], ["gid", "1"])).toThrow(
    expect.objectContaining({ code, details: { key } }),
  );
});
