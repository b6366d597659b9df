import { readFileSync } from "node:fs";
import { parseHeaderBlock, type TarHeader } from "@composefs/tar-header";
import { expect, test } from "vitest";

/** Recorded with Go's archive/tar and composefs-rs; see testdata/README-tar.txt. */
interface Case {
  readonly id: string;
  readonly blockHex: string;
  readonly expect: Readonly<Record<string, unknown>> & {
    readonly ok: boolean;
    readonly end?: boolean;
    readonly error?: string;
  };
}

const { cases } = JSON.parse(
  readFileSync(new URL("../../testdata/containers-storage/tar-headers.json", import.meta.url), "utf8"),
) as { cases: Case[] };

const hex = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString("hex"));
const upperSnake = (name: string): string => name.replace(/(?<=.)(?=[A-Z])/g, "_").toUpperCase();

/** All fields in the names of the vectors. */
function described(header: TarHeader): Record<string, unknown> {
  return {
    ok: true,
    end: false,
    format: header.format,
    checksum: header.checksum,
    typeflag: header.typeflag,
    entryType: header.type,
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    size: header.size,
    mtime: header.mtime,
    nameHex: hex(header.name),
    linknameHex: hex(header.linkName),
    unameHex: hex(header.userName),
    gnameHex: hex(header.groupName),
    devmajor: header.deviceMajor,
    devminor: header.deviceMinor,
    prefixHex: hex(header.prefix),
    pathHex: hex(header.path),
  };
}

test("all cases are there", () => {
  expect(cases.length).toBe(68);
});

test.each(cases.map((one) => [one.id, one] as const))("%s", (_, one) => {
  const block = Buffer.from(one.blockHex, "hex");
  if (one.expect.error !== undefined) {
    const code = upperSnake(one.expect.error);
    expect(() => parseHeaderBlock(block)).toThrow(expect.objectContaining({ name: "TarHeaderError", code }));
    return;
  }
  const header = parseHeaderBlock(block);
  expect(header.end ? { ok: true, end: true } : described(header)).toEqual(one.expect);
});
