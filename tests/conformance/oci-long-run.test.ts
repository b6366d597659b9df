import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HashName, initRepository, Repository } from "@composefs/core";
import { importLayer, parseDigest } from "@composefs/oci";
import { expect, test } from "vitest";

/** 20 MB of tar without a file to store: one inline chunk, longer than the writer holds as it is. */
const ENTRIES = 40_000;

/** Printed by `cfsctl --repo R oci import-layer DIFFID < TAR` of composefs-rs 0.9.4 for the tar that follows. */
const DIFF_ID = "sha256:fe52e1512396c79030f44b011b7d19bde981355fc29d8ef83b8774ec6fd01603";
const STREAMS: readonly (readonly [HashName, string])[] = [
  ["sha256", "ce6ac40ed4808ce2f67951b5decf1a39b60276eee2a30c25c3c1f5540788a034"],
  [
    "sha512",
    "a92210f0011b95efe0b33e6b9b34d91d18542f7ee1d8641498fa327c6de72c64b9aa2df5695f63048a87c69006474cac15a06bd15fba5ecfa888332c3b12ea95",
  ],
];

test.each(STREAMS)("a layer of empty files, %s", async (hash, expected) => {
  const tar = emptyFiles(ENTRIES);
  expect(`sha256:${createHash("sha256").update(tar).digest("hex")}`).toBe(DIFF_ID);
  const directory = mkdtempSync(join(tmpdir(), "oci-long-run-"));
  initRepository(directory, { hash, insecure: true });
  const repository = await Repository.open(directory);
  try {
    const { id, stats } = await importLayer(repository, parseDigest(DIFF_ID), pieces(tar));
    expect({ id, inlined: stats.bytesInlined }).toEqual({ id: expected, inlined: tar.length });
  } finally {
    await repository.close();
    rmSync(directory, { recursive: true });
  }
});

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

function emptyFiles(count: number): Buffer {
  const tar = Buffer.alloc(count * 512 + 1024);
  for (let i = 0; i < count; i++) {
    const header = tar.subarray(i * 512, (i + 1) * 512);
    header.write(`empty/file-${i}`);
    header.write("0000644\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write("00000000000\0", 124);
    header.write("14000000000\0", 136);
    header.write("        ", 148);
    header.write("0", 156);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  }
  return tar;
}
