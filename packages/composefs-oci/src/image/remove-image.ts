import type { Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { resolveImage } from "./resolve-image.ts";
import { untagImage } from "./tag-image.ts";
import { listTags } from "./tags.ts";

/** What {@link removeImage} removed. */
export interface RemovedImage {
  readonly manifestDigest: OciDigest;
  /** The tags it had, sorted bytewise. */
  readonly tags: readonly string[];
}

/**
 * Removes every tag of an image, whatever state its streams are in. The image's data stays until garbage collection.
 *
 * @param reference anything {@link resolveImage} takes
 * @throws OciError `IMAGE_NOT_FOUND` no such image, or it has no tag; `REF_AMBIGUOUS`; ComposefsError `REPO_READ_ONLY`
 */
export async function removeImage(repository: Repository, reference: string): Promise<RemovedImage> {
  repository.ensureWritable();
  const manifestDigest = await resolveImage(repository, reference);
  const tags = listTags(repository)
    .filter((tag) => tag.manifestDigest === manifestDigest)
    .map(({ name }) => name);
  if (tags.length === 0) {
    throw new OciError("IMAGE_NOT_FOUND", `image '${reference}' (${manifestDigest}) has no tag to remove`, {
      details: { reference, manifestDigest },
      hint: "garbage collection removes it unless something else refers to it",
    });
  }
  for (const tag of tags) untagImage(repository, tag);
  return { manifestDigest, tags };
}
