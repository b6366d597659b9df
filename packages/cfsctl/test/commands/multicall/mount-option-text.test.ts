import { expect, test } from "vitest";
import { parseMountOptions } from "../../../src/commands/multicall/mount-option-text.ts";

const PLAIN = { basedirs: ["d"], verity: "no", access: null };

test.each<[string, object]>([
  ["basedir=d", PLAIN],
  ["basedir=a:b::c", { ...PLAIN, basedirs: ["a", "b", "c"] }],
  ["basedir=a,basedir=d", PLAIN],
  [String.raw`basedir=a\,b\=c\\d`, { ...PLAIN, basedirs: [String.raw`a,b=c\d`] }],
  ["basedir=a=b", { ...PLAIN, basedirs: ["a=b"] }],
  ["basedir=d\\", { ...PLAIN, basedirs: ["d\\"] }],
  ["basedir=d,verity,tryverity", { ...PLAIN, verity: "require" }],
  ["tryverity,basedir=d", { ...PLAIN, verity: "try" }],
  ["basedir=d,digest=ab,tryverity", { ...PLAIN, verity: "require", digest: "ab" }],
  ["ro,basedir=d,rw", { ...PLAIN, access: "rw" }],
  ["basedir=d,ro=1", { ...PLAIN, access: "ro" }],
  ["basedir=d,upperdir=u,workdir=w,idmap=/n", { ...PLAIN, upperdir: "u", workdir: "w", idmap: "/n" }],
])("%s", (text, expected) => {
  expect(parseMountOptions(text)).toEqual(expected);
});

test.each([
  ["", "No object dirs specified"],
  ["basedir=:", "No object dirs specified"],
  ["verity", "No object dirs specified"],
  ["basedir", "No value specified for basedir option"],
  ["basedir=d,digest", "No value specified for digest option"],
  ["basedir=d,workdir=w", "Both workdir and upperdir must be specified if used"],
  ["basedir=d,constructor=1", "Unsupported option: constructor"],
  ["basedir=d,", "Unsupported option: "],
])("'%s': %s", (text, message) => {
  expect(() => parseMountOptions(text)).toThrow(new Error(message));
});
