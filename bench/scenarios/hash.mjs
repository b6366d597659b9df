import { createHash } from "node:crypto";
import { hashImplementations, useHashImplementation, verityDigest } from "@composefs/reflink";

export const name = "hash";

const BLOCK_BYTES = 4096;
const BLOCKS = 16_384;
const OPENSSL = "OpenSSL by block";
/** Least ratio of speeds that each is meant to reach, with the processor's instructions for SHA-256 if it has them. */
const SPEED = { avx512: 3.5, avx2: 1.6 };

/**
 * fs-verity digests of 64 MiB on one thread by every implementation that this processor can run, against node:crypto
 * hashing the same blocks one after the other, and all as one message, which shows what its calls cost.
 */
export function run({ rounds }) {
  const data = Buffer.alloc(BLOCKS * BLOCK_BYTES, "composefs ");
  const before = hashImplementations();
  return ["sha256", "sha512"].map((hash) => {
    const contenders = [
      { title: OPENSSL, work: () => hashBlocks(data, hash) },
      { title: "OpenSSL, one message", work: () => createHash(hash).update(data).digest() },
      ...before.map((implementation) => ({
        title: implementation,
        work: () => {
          useHashImplementation(implementation);
          verityDigest(data, hash);
        },
      })),
    ];
    const results = contenders.map(({ title }) => ({ name: title, samples: [] }));
    for (const { work } of contenders) work();
    for (let round = 0; round < rounds; round += 1) {
      const order = round % 2 === 0 ? [...contenders.keys()] : [...contenders.keys()].reverse();
      for (const index of order) results[index].samples.push({ cpu: cpuSeconds(contenders[index].work) });
    }
    useHashImplementation(before[0]);
    return {
      title: `fs-verity ${hash} of 64 MiB on one core`,
      base: OPENSSL,
      results,
      goals: Object.entries(SPEED).map(([kind, speed]) => {
        const of = before.find((implementation) => implementation.startsWith(kind)) ?? kind;
        return { of, key: "cpu", to: OPENSSL, times: 1 / speed };
      }),
    };
  });
}

function hashBlocks(data, hash) {
  for (let at = 0; at < data.length; at += BLOCK_BYTES) {
    createHash(hash)
      .update(data.subarray(at, at + BLOCK_BYTES))
      .digest();
  }
}

function cpuSeconds(work) {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}
