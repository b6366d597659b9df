import type { ObjectId, PartCounts, Repository } from "@composefs/core";
import { ComposefsError } from "@composefs/core/repository";
import type { OciDigest } from "../digest.ts";
import { CONTENT_TYPE, contentId } from "../streams.ts";

/** A layer that the repository has. */
export interface PresentLayer {
  /** Its splitstream. */
  readonly id: ObjectId;
  /** Number of distinct objects it refers to. */
  readonly objects: number;
  /** Length of its tar in bytes. */
  readonly size: number;
}

/** Codes of a stream that a new import can replace. */
const REPAIRABLE: ReadonlySet<string> = new Set([
  "STREAM_CORRUPT",
  "OBJECT_NOT_FOUND",
  "OBJECT_CORRUPT",
  "REPO_CORRUPT",
]);

/**
 * The layer of this diff_id, if its splitstream is sound and all its objects are there, none cut off; else null, so that
 * importing the layer again repairs the repository. Contents of objects are not looked at.
 *
 * @param kind `tar` passes over a stream of the same bytes as one blob, as an artifact may have left it
 */
export async function findLayer(
  repository: Repository,
  diffId: OciDigest,
  kind: "tar" | "any",
): Promise<PresentLayer | null> {
  const name = contentId("layer", diffId);
  try {
    const known = repository.findStream(name);
    if (known === null) return null;
    const stream = await repository.openStreamObject(known, name);
    const { id, type, size } = stream;
    if (kind === "tar" && type !== CONTENT_TYPE.layer) return null;
    // The native threads look for the objects while the stream is read here.
    const sizing = repository.objects.sizesOf(stream.objectDigests);
    const [sizes, counts] = await Promise.all([sizing, Promise.resolve(stream).then((found) => found.countParts())]);
    return lengthOnDisk(sizes, counts) === size ? { id, objects: sizes.length, size } : null;
  } catch (error) {
    if (error instanceof ComposefsError && REPAIRABLE.has(error.code)) return null;
    throw error;
  }
}

/** Length in bytes that the layer's tar would have of objects of these sizes; null when one is missing. */
function lengthOnDisk(sizes: Float64Array, { inlineBytes, uses }: PartCounts): number | null {
  if (sizes.includes(-1)) return null;
  return sizes.reduce((length, size, i) => length + size * (uses[i] as number), inlineBytes);
}
