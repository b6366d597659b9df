import type { Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { contentId } from "../streams.ts";
import { resolveImage } from "./resolve-image.ts";
import { encodeTag, givenTagRef, TAGS } from "./tag-name.ts";

/**
 * Gives an image another tag, replacing what had it.
 *
 * @param image anything {@link resolveImage} takes
 * @returns the digest of its manifest
 * @throws OciError `IMAGE_NOT_FOUND` no such image is stored; `REF_INVALID` names with `@` are for digests
 */
export async function tagImage(repository: Repository, image: string, name: string): Promise<OciDigest> {
  const ref = givenTagRef(name);
  repository.ensureWritable();
  const digest = await resolveImage(repository, image);
  const stream = contentId("manifest", digest);
  if (repository.findStream(stream) === null) {
    throw new OciError("IMAGE_NOT_FOUND", `image '${image}': the repository has no ${stream}`, {
      details: { image, stream },
      hint: "pull the image again",
    });
  }
  await repository.publish({ refs: [{ name: ref, contentId: stream }] });
  return digest;
}

/** Removes a tag; the image stays until garbage collection. @throws OciError `IMAGE_NOT_FOUND` there is no such tag */
export function untagImage(repository: Repository, name: string): void {
  repository.ensureWritable();
  // Not by tagRef: older tools left tags that begin with '@', and this is the only way to be rid of them.
  try {
    repository.deleteRef("streams", `${TAGS}/${encodeTag(name)}`);
  } catch (cause) {
    const { code } = cause as { readonly code?: unknown };
    if (code !== "REF_NOT_FOUND" && code !== "ENAMETOOLONG") throw cause;
    throw new OciError("IMAGE_NOT_FOUND", `there is no tag '${name}'`, {
      details: { tag: name },
      hint: "`cfsctl oci images` lists the tags",
      cause,
    });
  }
}
