import type { Repository } from "@composefs/core";
import { storedId } from "@composefs/core/import";
import type { OciDigest } from "../digest.ts";
import { digestMismatch } from "../digest-mismatch.ts";
import { countObject, emptyStats } from "../import-stats.ts";
import { finishDigest, startDigest } from "../long-digest.ts";
import { CONTENT_TYPE } from "../streams.ts";
import { storing } from "./layer-errors.ts";
import type { StoredLayer } from "./store-layer.ts";

type ObjectStore = ReturnType<Repository["objects"]["store"]>;

/**
 * Stores a layer that is no tar, as artifacts have them: the blob as one object whatever its size, and its splitstream,
 * which gets no name yet (oci.md §3.4).
 *
 * @throws OciError `BLOB_DIGEST_MISMATCH`; KernelError
 */
export async function storeBlobLayer(
  repository: Repository,
  digest: OciDigest,
  blob: AsyncIterable<Uint8Array>,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<StoredLayer> {
  const digester = startDigest(digest);
  const subject = `blob ${digest}`;
  const writer = createWriter(repository, subject);
  let size = 0;
  try {
    for await (const chunk of blob) {
      options.signal?.throwIfAborted();
      const hashed = digester.update(chunk);
      size += chunk.length;
      await writer.write([chunk]).catch((error: unknown) => {
        throw storing(subject, error);
      });
      await hashed;
    }
    const actual = await finishDigest(digester, digest);
    if (actual !== digest) throw digestMismatch(subject, digest, actual);
    const outcome = await writer.finish();
    const object = storedId(outcome, subject);
    const stream = repository.createStream(CONTENT_TYPE.blob);
    stream.external(object, size);
    const stats = emptyStats();
    if ("method" in outcome) countObject(stats, outcome.method, size);
    return { id: await repository.objects.put(stream.finish(), `splitstream of ${subject}`), stats };
  } finally {
    writer.abort();
  }
}

function createWriter(repository: Repository, subject: string): ReturnType<ObjectStore["createWriter"]> {
  try {
    return repository.objects.store().createWriter();
  } catch (error) {
    throw storing(subject, error);
  }
}
