import { expect, test } from "vitest";
import { parsePaxRecords } from "../src/pax-records.ts";
import { bytes, concat, paxRecord, text } from "./tar-builder.ts";

const read = (data: Uint8Array): [string, string][] =>
  parsePaxRecords(data).map(({ key, value }) => [text(key), text(value)]);

test.each<[string, string, [string, string][]]>([
  ["nothing", "", []],
  ["one", "12 path=abc\n", [["path", "abc"]]],
  ["empty value", "8 path=\n", [["path", ""]]],
  ["line feed and equals sign in the value", "12 path==\n=\n", [["path", "=\n="]]],
  ["empty key", "5 =v\n", [["", "v"]]],
  ["leading zeros in the length", "0010 a=bc\n", [["a", "bc"]]],
])("%s", (_, data, expected) => {
  expect(read(bytes(data))).toEqual(expected);
});

test.each([
  ["letters", "xx path=b\n"],
  ["NUL padding", "\0\0\0"],
  ["sign", "-5 a=b\n"],
  ["blank", " 5 a=b\n"],
])("ends in silence where the length is no number: %s", (_, tail) => {
  expect(read(concat([paxRecord("a", "b"), bytes(tail)]))).toEqual([["a", "b"]]);
});

test.each([
  ["length beyond the data", "99 path=b\n"],
  ["length too short for its line feed", "5 path=b\n"],
  ["length within itself", "1 a=b\n"],
  ["zero", "0 a=b\n"],
  ["no line feed", "6 a=bc"],
  ["no equals sign", "5 ab\n"],
  ["equals sign of the next record", "5 ab\n6 a=b\n"],
  ["digits alone", "12"],
  ["far beyond 64 bits", "99999999999999999999999999 a=b\n"],
])("refused: %s", (_, data) => {
  expect(() => read(bytes(data))).toThrow(
    expect.objectContaining({ code: "TAR_MALFORMED", details: { recordOffset: 0 } }),
  );
});

test("keys are UTF-8, values are bytes", () => {
  const value = Uint8Array.of(0, 0xff, 0x0a, 0x3d);
  const [record] = parsePaxRecords(paxRecord("SCHILY.xattr.user.é", value));
  expect(text(record?.key ?? bytes(""))).toBe("SCHILY.xattr.user.é");
  expect(record?.value).toEqual(value);
  const bad = concat([paxRecord("a", "b"), paxRecord(Uint8Array.of(0x6b, 0xff), "v")]);
  expect(() => parsePaxRecords(bad)).toThrow(
    expect.objectContaining({ code: "TAR_MALFORMED", details: { recordOffset: 6 } }),
  );
});
