import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";

/** Name of an fs-verity configuration in meta.json: `fsverity-<hash>-<log2 of the block size>`. */
export type AlgorithmName = `fsverity-${HashName}-12`;

/** The name for a hash; 4096-byte blocks are the only size there is. */
export function algorithmName(hash: HashName): AlgorithmName {
  return `fsverity-${hash}-12`;
}

/**
 * Hash of an algorithm name.
 *
 * @throws ComposefsError `REPO_UNSUPPORTED` the name is malformed or names another hash or block size
 */
export function parseAlgorithmName(text: string): HashName {
  const problem = (what: string): ComposefsError =>
    new ComposefsError("REPO_UNSUPPORTED", `algorithm '${text}': ${what}`, { details: { algorithm: text } });
  const match = /^fsverity-([^-]*)-([^-]*)$/.exec(text);
  if (!match) throw problem("expected the form fsverity-<hash>-<lg_blocksize>");
  const [, hash, lgBlockSize] = match;
  if (hash !== "sha256" && hash !== "sha512") throw problem(`unsupported hash '${hash}' (expected sha256 or sha512)`);
  if (lgBlockSize !== "12") throw problem(`unsupported lg_blocksize '${lgBlockSize}' (only 12 is supported)`);
  return hash;
}
