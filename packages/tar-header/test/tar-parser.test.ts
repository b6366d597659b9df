import { describe, expect, test } from "vitest";
import { TarParser } from "../src/tar-parser.ts";
import { collect, inChunks } from "./collect.ts";
import {
  byteString,
  bytes,
  concat,
  endBlocks,
  entry,
  globalPax,
  header,
  longLink,
  longName,
  pad,
  pax,
  paxRecord,
  zeroBlock,
} from "./tar-builder.ts";

const failure = (code: string, details: Record<string, unknown> = {}) =>
  expect.objectContaining({ name: "TarHeaderError", code, details: expect.objectContaining(details) });

/** Paths, sizes and contents, the same in one chunk, byte by byte and in odd pieces. */
function read(...parts: Uint8Array[]): { path: string; type: string; size: number; content: string }[] {
  const tar = concat(parts);
  const whole = collect([tar]);
  expect(whole.bytes).toBe(byteString(tar));
  for (const size of tar.length < 100_000 ? [1, 511, 700] : [4099]) {
    expect(collect(inChunks(tar, size))).toEqual(whole);
  }
  return whole.entries.map(({ path, type, size, content }) => ({ path, type, size, content }));
}

function refusal(...parts: Uint8Array[]): unknown {
  const tar = concat(parts);
  const errors = [tar.length, tar.length < 100_000 ? 1 : 4099, 700].map((size) => {
    try {
      collect(inChunks(tar, size));
    } catch (error) {
      return error;
    }
    return undefined;
  });
  expect(errors[1]).toEqual(errors[0]);
  expect(errors[2]).toEqual(errors[0]);
  return errors[0];
}

describe("entries", () => {
  test("files, empty files and a trailer", () => {
    const tail = concat([endBlocks, bytes("anything at all")]);
    const tar = concat([
      entry({ name: "a" }, "hello"),
      entry({ name: "b" }),
      entry({ name: "c" }, "x".repeat(512)),
      tail,
    ]);
    expect(read(tar)).toEqual([
      { path: "a", type: "regular", size: 5, content: "hello" },
      { path: "b", type: "regular", size: 0, content: "" },
      { path: "c", type: "regular", size: 512, content: "x".repeat(512) },
    ]);
    expect(collect([tar]).tail).toBe(byteString(tail));
  });

  test("events of one chunk join neighbouring bytes and copy none", () => {
    const tar = concat([pax(paxRecord("path", "p")), entry({ name: "a" }, "hello"), entry({ name: "b" }), endBlocks]);
    const events = new TarParser().push(tar);
    expect(events.map((event) => (event.type === "entry" ? event.type : [event.type, event.bytes.length]))).toEqual([
      ["raw", 1536],
      "entry",
      ["data", 5],
      ["raw", 507 + 512],
      "entry",
      ["raw", 1024],
    ]);
    for (const event of events) {
      expect((event.type === "entry" ? event.entry.path : event.bytes).buffer).toBe(tar.buffer);
    }
  });

  test("every type carries as much data as its size says, non-zero padding stays", () => {
    const types = ["0", "1", "2", "3", "4", "5", "6", "7", "Z"];
    const parts = types.map((type) => concat([header({ name: type, type, size: 3 }), pad(bytes("abc"), 0x55)]));
    expect(read(...parts).map(({ type, content }) => [type, content])).toEqual(
      ["regular", "link", "symlink", "char", "block", "directory", "fifo", "continuous", "other"].map((t) => [
        t,
        "abc",
      ]),
    );
  });

  test("values of an entry", () => {
    const tar = concat([
      longLink("long target"),
      pax(paxRecord("uid", "4294967297"), paxRecord("mtime", "7.25"), paxRecord("SCHILY.xattr.user.a", "1")),
      entry({ name: "l", type: "2", linkName: "short", mode: 0o100777, uid: 5, gid: 6, mtime: 9 }),
      entry({ name: "dev", type: "3", major: 1, minor: 3 }),
      entry({ name: "old", type: "3", format: "v7" }),
    ]);
    const entries = new TarParser().push(tar).flatMap((event) => (event.type === "entry" ? [event.entry] : []));
    expect(entries[0]).toMatchObject({
      headerOffset: 2048,
      type: "symlink",
      isFile: false,
      linkPath: bytes("long target"),
      mode: 0o100777,
      uid: 1,
      gid: 6,
      mtime: { sec: 7, nsec: 250_000_000 },
      device: null,
    });
    expect([...(entries[0]?.xattrs ?? [])]).toEqual([["user.a", bytes("1")]]);
    expect(entries[1]).toMatchObject({ device: { major: 1, minor: 3 }, linkPath: null, mtime: { sec: 0, nsec: 0 } });
    expect(entries[1]?.xattrs.size).toBe(0);
    expect(entries[2]).toMatchObject({ device: null, header: { format: "v7", typeflag: 0x33 } });
  });

  test("names of attributes are byte strings, the last of a name wins", () => {
    const [found] = collect([
      concat([
        pax(
          paxRecord("SCHILY.xattr.user.é", "1"),
          paxRecord("SCHILY.xattr.user.é", "2"),
          paxRecord("SCHILY.xattr.b", Uint8Array.of(0, 255)),
        ),
        entry({ name: "f" }),
      ]),
    ]).entries;
    expect(found?.xattrs).toEqual([
      ["user.\xc3\xa9", "2"],
      ["b", "\0\xff"],
    ]);
  });
});

describe("extensions", () => {
  test("PAX over GNU over header, and for one entry only", () => {
    const result = read(
      longName("gnu"),
      pax(paxRecord("path", "pax"), paxRecord("size", "3")),
      header({ name: "a" }),
      pad(bytes("abc")),
      longName("gnu2"),
      entry({ name: "b" }),
      entry({ name: "c" }),
    );
    expect(result.map(({ path, size }) => [path, size])).toEqual([
      ["pax", 3],
      ["gnu2", 0],
      ["c", 0],
    ]);
  });

  test("exactly one trailing NUL of a long name goes", () => {
    expect(read(longName("n\0"), entry({ name: "x" }))[0]?.path).toBe("n\0");
    expect(read(entry({ type: "L" }, "unterminated"), entry({ name: "x" }))[0]?.path).toBe("unterminated");
  });

  test("a global header is skipped and forgets what is pending", () => {
    const parts = [pax(paxRecord("path", "lost")), globalPax(paxRecord("path", "global")), entry({ name: "own" })];
    expect(read(...parts).map(({ path }) => path)).toEqual(["own"]);
    expect(read(pax(paxRecord("path", "lost")), globalPax())).toEqual([]);
    // What was forgotten is not read either, and may come again.
    expect(read(entry({ type: "x" }, "9 bad"), globalPax(), pax(paxRecord("path", "p")), entry())[0]?.path).toBe("p");
  });

  test.each(["x", "L", "K", "g"])("%s in a v7 block is an entry like any other", (type) => {
    const result = read(entry({ name: "a", type, format: "v7" }, "data"), entry({ name: "b" }));
    expect(result.map(({ path, content }) => [path, content])).toEqual([
      ["a", "data"],
      ["b", ""],
    ]);
  });

  test("a lone zero block does not part extensions from their entry", () => {
    expect(read(longName("n"), zeroBlock, entry({ name: "x" }))[0]?.path).toBe("n");
  });

  test.each([
    ["x", pax(paxRecord("a", "b"))],
    ["L", longName("n")],
    ["K", longLink("n")],
    ["empty L", entry({ type: "L" })],
  ])("two of a kind are refused: %s", (_, extension) => {
    expect(refusal(extension, extension, entry({ name: "f" }))).toEqual(
      failure("TAR_MALFORMED", { offset: extension.length }),
    );
  });

  test("the limit counts what is pending together, and a global header alone", () => {
    const fits = [entry({ type: "x" }, paxRecord("a", "b".repeat(2 ** 19 - 15))), longName("n".repeat(2 ** 19 - 1))];
    expect(fits[0]?.length).toBeLessThanOrEqual(2 ** 19 + 512);
    expect(read(...fits, entry()).length).toBe(1);
    expect(refusal(...fits, longLink("l".repeat(20)), entry())).toEqual(failure("TAR_LIMIT", { limit: 2 ** 20 }));
    expect(refusal(header({ type: "x", size: 2 ** 20 + 1 }))).toEqual(failure("TAR_LIMIT", { bytes: 2 ** 20 + 1 }));
    expect(refusal(header({ type: "g", size: 2 ** 20 + 1 }))).toEqual(failure("TAR_LIMIT", { offset: 0 }));
    expect(read(entry({ type: "g" }, new Uint8Array(2 ** 20)), entry({ type: "g" }, new Uint8Array(2 ** 20)))).toEqual(
      [],
    );
    expect(() => collect([longName("name")], { maxExtensionBytes: 4 })).toThrow(failure("TAR_LIMIT", { limit: 4 }));
  });
});

describe("end of the archive", () => {
  test.each<[string, Uint8Array[], number]>([
    ["nothing", [], 0],
    ["no zero blocks", [entry()], 1],
    ["two zero blocks", [entry(), endBlocks], 1],
    ["what looks like an entry after the end", [endBlocks, entry()], 0],
    ["a lone zero block before an entry", [zeroBlock, entry(), endBlocks], 1],
    ["lone zero blocks do not add up", [zeroBlock, entry(), zeroBlock, entry()], 2],
  ])("taken: %s", (_, parts, count) => {
    expect(read(...parts).length).toBe(count);
  });

  test.each<[string, Uint8Array, Record<string, unknown>]>([
    ["in a header", header().subarray(0, 100), { offset: 100 }],
    ["in content", concat([header({ name: "f", size: 9 }), bytes("abc")]), { offset: 515, path: "f" }],
    ["in padding", concat([header({ name: "f", size: 9 }), bytes("abcdefghi")]), { offset: 521, path: "f" }],
    ["in an extension", longName("n").subarray(0, 513), { offset: 513 }],
    ["in a global header", globalPax(paxRecord("a", "b")).subarray(0, 513), { offset: 513 }],
    [
      "in the padding of an extension",
      concat([entry({ name: "f" }), longName("n").subarray(0, 600)]),
      { offset: 1112, path: "n", after: "f" },
    ],
    ["after an extension", longName("n"), { offset: 1024, path: "n" }],
    ["after one zero block", concat([entry({ name: "f" }), zeroBlock]), { offset: 1024, after: "f" }],
    ["in the second zero block", concat([zeroBlock, zeroBlock.subarray(1)]), { offset: 1023 }],
  ])("truncated %s", (_, tar, details) => {
    expect(refusal(tar)).toEqual(failure("TAR_MALFORMED", { ...details, missing: expect.any(String) }));
  });

  test("extensions right before the end", () => {
    expect(refusal(longName("n"), endBlocks)).toEqual(failure("TAR_MALFORMED", { offset: 1536, path: "n" }));
  });
});

describe("refused entries", () => {
  const first = entry({ name: "first" });
  test.each<[string, Uint8Array, string, Record<string, unknown>]>([
    ["not a tar", bytes("no tar at all ".repeat(50)), "INVALID_NUMBER", { offset: 512, after: "first" }],
    ["checksum", header({ checksum: "wrong" }), "CHECKSUM_MISMATCH", { offset: 512 }],
    [
      "signed checksum",
      header({ name: Uint8Array.of(0xff), checksum: "signed" }),
      "CHECKSUM_MISMATCH",
      { offset: 512 },
    ],
    [
      "base-256 device",
      header({ patch: [[337, [0x80, 0, 0, 0, 0, 0, 0, 3]]] }),
      "INVALID_NUMBER",
      { field: "devminor", offset: 512 },
    ],
    // The header itself is wrong, before any rule of imports.
    ["device beyond 2^53", header({ patch: [[337, [0x81]]] }), "FIELD_OVERFLOW", { field: "devminor", offset: 512 }],
    ["size beyond 2^53", header({ patch: [[124, [0x81]]] }), "FIELD_OVERFLOW", { field: "size", offset: 512 }],
    ["old sparse", header({ name: "s", type: "S", format: "gnu" }), "TAR_MALFORMED", { offset: 512, path: "s" }],
    ["sparse", concat([pax(paxRecord("GNU.sparse.major", "1")), entry({ name: "s" })]), "TAR_MALFORMED", { path: "s" }],
    ["empty name", header({ name: "" }), "TAR_MALFORMED", { offset: 512, path: "" }],
    ["empty PAX path", concat([pax(paxRecord("path", "")), entry({ name: "n" })]), "TAR_MALFORMED", { offset: 1536 }],
    ["empty long name", concat([longName(""), entry({ name: "n" })]), "TAR_MALFORMED", { offset: 1536 }],
    [
      "PAX data",
      concat([entry({ type: "x" }, "9 bad"), entry({ name: "n" })]),
      "TAR_MALFORMED",
      { offset: 1536, path: "n" },
    ],
    ["PAX mtime", concat([pax(paxRecord("mtime", "-5")), entry()]), "TAR_MALFORMED", { key: "mtime", path: "file" }],
  ])("%s", (_, part, code, details) => {
    expect(refusal(first, part)).toEqual(failure(code, details));
  });

  test("a prefix alone is a path", () => {
    expect(read(entry({ name: "", prefix: "p" }))[0]?.path).toBe("p/");
  });

  test("an error stays", () => {
    const parser = new TarParser();
    const bad = header({ checksum: "wrong" });
    expect(() => parser.push(bad)).toThrow(failure("CHECKSUM_MISMATCH"));
    expect(() => parser.push(entry())).toThrow(failure("CHECKSUM_MISMATCH"));
    expect(() => parser.skip(0)).toThrow(failure("CHECKSUM_MISMATCH"));
    expect(() => parser.finish()).toThrow(failure("CHECKSUM_MISMATCH"));
  });
});

describe("skip", () => {
  test("content taken elsewhere, in parts", () => {
    const parser = new TarParser();
    const size = 9 * 2 ** 30 + 1;
    parser.push(concat([pax(paxRecord("size", String(size))), header({ name: "huge" })]));
    expect(parser.remaining).toBe(size);
    expect(parser.push(bytes("ab"))).toMatchObject([{ type: "data", remaining: size - 2 }]);
    parser.skip(size - 2);
    expect([parser.remaining, parser.offset]).toEqual([0, 1536 + size]);
    const events = parser.push(concat([new Uint8Array(511), entry({ name: "next" })]));
    expect(events).toMatchObject([{ type: "raw" }, { type: "entry", entry: { headerOffset: 1536 + size + 511 } }]);
    parser.finish();
  });

  test("only within content", () => {
    const parser = new TarParser();
    expect(() => parser.skip(1)).toThrow(RangeError);
    parser.push(header({ size: 600 }));
    for (const length of [601, -1, 0.5, Number.NaN]) {
      expect(() => parser.skip(length)).toThrow(RangeError);
    }
    parser.skip(0);
    parser.skip(600);
    expect(() => parser.skip(1)).toThrow(RangeError);
    expect(() => parser.finish()).toThrow(failure("TAR_MALFORMED", { offset: 1112, path: "file" }));
  });
});
