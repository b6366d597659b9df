import type { DigestName } from "@composefs/core";
import { Digester } from "@composefs/core/import";
import { digestAlgorithm, type OciDigest } from "./digest.ts";

/** Starts a digest of long data, on the native threads, by the algorithm of `like`. */
export function startDigest(like: OciDigest): Digester {
  return new Digester(digestAlgorithm(like) as DigestName);
}

/** Ends a digest that {@link startDigest} started for `like`. */
export async function finishDigest(digester: Digester, like: OciDigest): Promise<OciDigest> {
  return `${digestAlgorithm(like)}:${await digester.digest()}` as OciDigest;
}
