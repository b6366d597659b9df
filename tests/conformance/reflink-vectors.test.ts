import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc64, hashImplementations, useHashImplementation, verityDigest, verityDigestFds } from "@composefs/reflink";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

/** Recorded with fsverity-utils; see testdata/fsverity/README.md. */
interface Digests {
  readonly cases: readonly { readonly size: number; readonly sha256: string; readonly sha512: string }[];
}

const load = (path: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../testdata/${path}`, import.meta.url), "utf8"));
const { cases } = load("fsverity/digests.json") as Digests;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
/** The portable implementations hash what is larger than this elsewhere than in every test run. */
const LARGE = 2 ** 20 * 17;

// Byte i is i mod 251.
const content = Buffer.alloc(cases.at(-1)?.size ?? 0);
for (let i = 0; i < 251; i++) content[i] = i;
for (let filled = 251; filled < content.length; filled *= 2) content.copyWithin(filled, 0, filled);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "fsverity-"));
});
afterAll(() => rmSync(directory, { recursive: true }));
afterEach(() => {
  useHashImplementation(hashImplementations()[0] as string);
});

test("all cases are there", () => {
  expect(cases.length).toBe(38);
});

describe.each(["sha256", "sha512"] as const)("fs-verity %s", (hash) => {
  test.each(hashImplementations())("of buffers by %s", (implementation) => {
    expect(useHashImplementation(implementation)).toBe(true);
    const all = implementation === hashImplementations()[0] ? cases : cases.filter(({ size }) => size <= LARGE);
    for (const one of all) {
      expect([one.size, hex(verityDigest(content.subarray(0, one.size), hash))]).toEqual([one.size, one[hash]]);
    }
  });

  test.each(hashImplementations())("of files by %s", async (implementation) => {
    expect(useHashImplementation(implementation)).toBe(true);
    const some = cases.filter(({ size }) => size < 2 ** 20);
    const fds = some.map(({ size }) => {
      const path = join(directory, `${size}`);
      writeFileSync(path, content.subarray(0, size));
      return openSync(path, "r");
    });
    try {
      const outcomes = await verityDigestFds(fds, hash);
      expect(outcomes.map((one) => ("digest" in one ? hex(one.digest) : one))).toEqual(some.map((one) => one[hash]));
    } finally {
      fds.forEach(closeSync);
    }
  });
});

const crcs = load("containers-storage/crc64.json") as {
  cases: { dataHex: string; crcHex: string; payloadBase64: string }[];
};

test.each(crcs.cases.map((one) => [one.crcHex, one] as const))("CRC-64 %s", (_, one) => {
  const data = Buffer.from(one.dataHex, "hex");
  expect(hex(crc64(data))).toBe(one.crcHex);
  expect(Buffer.from(crc64(data)).toString("base64")).toBe(one.payloadBase64);
});
