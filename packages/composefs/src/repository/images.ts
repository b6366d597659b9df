import type { HashName } from "@composefs/reflink";
import { ComposefsError } from "../errors.ts";
import { isObjectId, type ObjectId } from "../fsverity/object-id.ts";
import { resolveImageEntry } from "./image-name.ts";
import { listRefs } from "./refs.ts";
import { entryId } from "./streams.ts";

/** A ref to an image. */
export interface ImageRef {
  readonly name: string;
  /** Digest of the image, as the ref says; whether it is there is for fsck to tell. */
  readonly id: ObjectId;
}

/** An image as read. */
export interface OpenedImage {
  readonly id: ObjectId;
  /** The EROFS file; its digest is `id`. */
  readonly bytes: Uint8Array;
}

/** Refs beneath `images/refs/`, sorted bytewise by name; those to entries that are no image ids are left out. */
export function listImages(repositoryFd: number, hash: HashName): ImageRef[] {
  return listRefs(repositoryFd, "images").flatMap(({ name, entry }) =>
    isObjectId(entry, hash) ? [{ name, id: entry }] : [],
  );
}

/**
 * Id of the image that a name means: `refs/NAME`, NAME, an id as hexadecimal digits with or without `sha256:` or
 * `sha512:` before it, or its first digits, at least eight, when no other image starts with them.
 *
 * @throws ComposefsError `IMAGE_NOT_FOUND`; `REF_AMBIGUOUS`; `REF_INVALID` no name at all; `REPO_CORRUPT` its entry is no
 *   link to an object
 */
export function resolveImage(repositoryFd: number, hash: HashName, name: string): ObjectId {
  const entry = resolveImageEntry(repositoryFd, hash, name);
  const id = entry === null ? null : entryId(repositoryFd, "images", entry, hash);
  if (id !== null) return id;
  const what = entry === null ? `image '${name}' not found` : `image '${name}' not found: there is no images/${entry}`;
  throw new ComposefsError("IMAGE_NOT_FOUND", what, {
    details: { name, entry },
    hint: "`cfsctl images` lists the names there are; an id works too",
  });
}
