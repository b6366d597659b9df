import type { ObjectId, Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { contentId } from "../streams.ts";

/**
 * The splitstream of a layer of a stored image. Several artifacts share the empty config, whose stream may name the layers
 * of one of them only (oci.md §3.4), so the layer's own name counts, too.
 *
 * @param configRefs what the config's stream names
 * @throws OciError `LAYER_NOT_FOUND`
 */
export function storedLayer(
  repository: Repository,
  diffId: OciDigest,
  configRefs: ReadonlyMap<string, ObjectId>,
): ObjectId {
  const id = configRefs.get(diffId) ?? repository.findStream(contentId("layer", diffId));
  if (id !== null) return id;
  throw new OciError("LAYER_NOT_FOUND", `layer ${diffId} is not in the repository`, {
    details: { diffId },
    hint: "pull the image again",
  });
}
