import { gzipSync } from "node:zlib";
import type { Repository } from "@composefs/core";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { OciDigest } from "../../src/digest.ts";
import { storeTarLayer } from "../../src/layer/import-layer.ts";
import { storeSourceLayer } from "../../src/layer/store-blob-layer.ts";
import { MemorySource } from "../memory-source.ts";
import { chunked, noise, sha256, tar } from "../tar-builder.ts";
import { removeRepositories, tempRepository } from "../temp-repository.ts";

let repository: Repository;
beforeAll(async () => {
  repository = await tempRepository();
});
afterAll(removeRepositories);

/** A frame of raw blocks (RFC 8878 §3.1.1), no more than zstd itself would write. */
function zstdFrame(bytes: Uint8Array): Buffer {
  const parts = [Buffer.from("28b52ffd0058", "hex")];
  for (let at = 0; at === 0 || at < bytes.length; at += 65_536) {
    const block = bytes.subarray(at, at + 65_536);
    const last = at + 65_536 >= bytes.length ? 1 : 0;
    const header = Buffer.alloc(3);
    header.writeUIntLE(block.length * 8 + last, 0, 3);
    parts.push(header, Buffer.from(block));
  }
  return Buffer.concat(parts);
}

/** A skippable frame of `size` bytes. */
function skippable(size: number): Buffer {
  const header = Buffer.from("5a2a4d1800000000", "hex");
  header.writeUInt32LE(size, 4);
  return Buffer.concat([header, Buffer.alloc(size, 0x28)]);
}

const OCI_TAR = "application/vnd.oci.image.layer.v1.tar";
const KINDS: Readonly<Record<string, (part: Buffer, extra: number) => Buffer>> = {
  [`${OCI_TAR}+gzip`]: (part, extra) => gzipSync(part, { level: extra % 10 }),
  "application/vnd.docker.image.rootfs.diff.tar.gzip": (part) => gzipSync(part),
  [`${OCI_TAR}+zstd`]: (part, extra) => Buffer.concat([skippable(extra), zstdFrame(part), skippable(0)]),
};

test("a layer is the same however its tar is cut into members or frames, and those into chunks", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(0, 1, 64, 65, 511, 4096, 100_000, 1_100_000), { maxLength: 5 }),
      fc.constantFrom(...Object.keys(KINDS)),
      fc.array(fc.nat(1_000_000), { maxLength: 5 }),
      fc.nat(300),
      fc.integer({ min: 1, max: 300_000 }),
      async (sizes, mediaType, cuts, extra, chunkSize) => {
        const archive = tar(sizes.map((size, i) => ({ name: `f${i}`, content: noise(size) })));
        const diffId = sha256(archive);
        const places = [0, ...cuts.map((cut) => cut % archive.length).sort((a, b) => a - b), archive.length];
        const parts = places.slice(1).map((end, i) => archive.subarray(places[i], end));
        const source = new MemorySource();
        const encode = KINDS[mediaType] as (part: Buffer, extra: number) => Buffer;
        const descriptor = source.put(Buffer.concat(parts.map((part) => encode(part, extra))), mediaType);
        // Single bytes of small blobs only: there would be a million of them.
        source.chunkSize = Math.max(chunkSize, Math.ceil(descriptor.size / 200));
        const stored = await storeSourceLayer(repository, source, descriptor, diffId, {});
        expect(stored.id).toBe((await storeTarLayer(repository, diffId, chunked(archive))).id);
      },
    ),
    { numRuns: 40 },
  );
});

test("a changed byte anywhere in a blob is found out", async () => {
  const archive = tar([{ name: "f", content: Buffer.alloc(3000, "text ") }]);
  const diffId = sha256(archive);
  const mediaTypes = [OCI_TAR, ...Object.keys(KINDS)];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...mediaTypes),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (type, at, bits) => {
        const source = new MemorySource();
        const descriptor = source.put(KINDS[type]?.(archive, 1) ?? archive, type);
        const blob = Buffer.from(source.blobs.get(descriptor.digest) as Uint8Array);
        const place = at % blob.length;
        blob.writeUInt8(blob.readUInt8(place) ^ bits, place);
        source.blobs.set(descriptor.digest, blob);
        await expect(storeSourceLayer(repository, source, descriptor, diffId as OciDigest, {})).rejects.toMatchObject({
          code: "BLOB_DIGEST_MISMATCH",
          details: { layer: diffId },
        });
      },
    ),
    { numRuns: 100 },
  );
});
