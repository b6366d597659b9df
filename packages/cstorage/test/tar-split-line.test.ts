import { describe, expect, test } from "vitest";
import { parseTarSplitLine } from "../src/tar-split-line.ts";
import { thrownBy } from "./code-of.ts";

const parse = (line: string) => parseTarSplitLine(Buffer.from(line), 7);
const CRC = "uQlWx3WkEAE=";

describe("segments", () => {
  test.each<[line: string, text: string]>([
    ['{"type":2,"payload":"aGVhZA==","position":0}', "head"],
    ['{"type":2,"payload":"","position":12}', ""],
    ['{"type":2,"payload":null,"position":3}', ""],
    ['{"type":2,"position":3}', ""],
    ['{"type":2,"payload":"aGVhZA=="}', "head"],
    ['{"payload":"aGVhZA==","position":0,"type":2}', "head"],
    [' { "type" : 2 , "payload" : "aGVhZA==" } ', "head"],
    ['{"type":2,"payload":"aGVhZA==","position":0,"new":{}}', "head"],
    ['{"type":2,"payload":"aGVh\\u005aA==","position":0}', "head"],
    ['{"type":2,"payload":"YQ==","position":0,"payload":"aGVhZA==","position":1}', "head"],
    ['{"type":2,"payload":"YR==","position":0}', "a"],
  ])("%s", (line, text) => {
    const item = parse(line);
    expect(item.type === "segment" && Buffer.from(item.bytes).toString()).toBe(text);
  });
});

describe("files", () => {
  test.each<[line: string, name: string, size: number, crc: string | null]>([
    ['{"type":1,"name":"a","size":3,"payload":"uQlWx3WkEAE="}', "a", 3, CRC],
    ['{"type":1,"name":"a"}', "a", 0, null],
    ['{"type":1,"name":"d/","payload":null,"position":1}', "d/", 0, null],
    ['{"type":1,"name":"","payload":""}', "", 0, null],
    ['{"type":1,"name":"a\\u0026b","size":0,"payload":"AAAAAAAAAAA="}', "a&b", 0, "AAAAAAAAAAA="],
    ['{"type":1,"name":"other","name_raw":"YQ==","size":1,"payload":"uQlWx3WkEAE="}', "a", 1, CRC],
    ['{"type":1,"name":"a","name_raw":"","size":9007199254740991,"payload":"uQlWx3WkEAE="}', "a", 2 ** 53 - 1, CRC],
  ])("%s", (line, name, size, crc) => {
    const item = parse(line);
    if (item.type !== "file") throw new Error("expected a file");
    const found = item.crc64 === null ? null : Buffer.from(item.crc64).toString("base64");
    expect([Buffer.from(item.name).toString(), item.size, found]).toEqual([name, size, crc]);
  });
});

describe("refuses", () => {
  test.each([
    "",
    "x",
    "null",
    "[]",
    "2",
    "{}",
    '{"type":"2"}',
    '{"type":3,"payload":""}',
    '{"type":2,"payload":"aGVhZA","position":0}',
    '{"type":2,"payload":"aGVh=A==","position":0}',
    '{"type":2,"payload":"a-_h","position":0}',
    '{"type":2,"payload":"aG h","position":0}',
    '{"type":2,"payload":"aGVhZA==","position":00}',
    '{"type":2,"payload":"aGVhZA==","position":}',
    '{"type":2,"payload":"aGVhZA==","position":0}}',
    '{"type":2,"payload":"aGVhZA==","position":0} x',
    '{"type":2,"payload":"aGVhZA==""position":0}',
    '{"type":2,"payload":[],"position":0}',
    '{"type":1,"name":"a","size":1}',
    '{"type":1,"name":"a","size":1,"payload":null}',
    '{"type":1,"name":"a","size":1,"payload":"AAAA"}',
    '{"type":1,"name":"a","size":0,"payload":"AAAA"}',
    '{"type":1,"name":"a","size":-1,"payload":"uQlWx3WkEAE="}',
    '{"type":1,"name":"a","size":1.5,"payload":"uQlWx3WkEAE="}',
    '{"type":1,"name":"a","size":"1","payload":"uQlWx3WkEAE="}',
    '{"type":1,"name":"a","size":9007199254740992,"payload":"uQlWx3WkEAE="}',
    '{"type":1,"size":1,"payload":"uQlWx3WkEAE="}',
    '{"type":1,"name":1}',
    '{"type":1,"name_raw":"a"}',
    '{"type":1,"name":"a\\u0000b","size":1,"payload":"uQlWx3WkEAE="}',
    '{"type":1,"name_raw":"YQBi","size":1,"payload":"uQlWx3WkEAE="}',
  ])("%s", (line) => {
    expect(thrownBy(() => parse(line))).toMatchObject({ code: "TAR_SPLIT_CORRUPT", details: { line: 7 } });
  });

  test("bytes that are not UTF-8", () => {
    const line = Buffer.concat([Buffer.from('{"type":1,"name":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(thrownBy(() => parseTarSplitLine(line, 1))?.code).toBe("TAR_SPLIT_CORRUPT");
  });
});
