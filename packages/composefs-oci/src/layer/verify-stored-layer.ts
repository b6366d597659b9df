import type { Repository, Splitstream } from "@composefs/core";
import { parseSplitstream } from "@composefs/core/import";
import { type OciDigest, parseDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { finishDigest, startDigest } from "../long-digest.ts";

/** {@link verifyLayerStream} for the file of a splitstream, which may have no name yet. */
export function verifyStoredLayer(
  repository: Repository,
  file: Uint8Array,
  diffId: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  return verifyLayerStream(repository, parseSplitstream(file, repository.hash, `of layer ${diffId}`), diffId, options);
}

/**
 * Reads the tar that a splitstream describes out of the repository's own objects and checks it against its diff_id.
 * What is checked is what was stored, so a source that changes meanwhile makes no difference.
 *
 * @throws OciError `DIFF_ID_MISMATCH`
 */
export async function verifyLayerStream(
  repository: Repository,
  stream: Splitstream,
  diffId: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const expected = parseDigest(diffId);
  const digester = startDigest(expected);
  for await (const bytes of repository.readStream(stream, options)) await digester.update(bytes);
  checkDiffId(expected, await finishDigest(digester, expected));
}

/** @throws OciError `DIFF_ID_MISMATCH` when the tar's digest is another than expected */
export function checkDiffId(expected: OciDigest, actual: OciDigest): void {
  if (actual === expected) return;
  throw new OciError("DIFF_ID_MISMATCH", `layer ${expected}: the tar's digest is ${actual}`, {
    details: { expected, actual },
    hint: "the layer is not what the image says; get it from its source again",
  });
}
