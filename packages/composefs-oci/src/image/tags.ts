import type { Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { manifestDigestOf } from "../streams.ts";
import { decodeTag, TAGS, tagRef } from "./tag-name.ts";

/** A name of an image. */
export interface Tag {
  readonly name: string;
  readonly manifestDigest: OciDigest;
}

/** All tags, sorted bytewise by name; refs there that point to no manifest are left out. */
export function listTags(repository: Repository): Tag[] {
  const tags: Tag[] = [];
  for (const { name, entry } of repository.listRefs("streams", TAGS)) {
    const manifestDigest = manifestDigestOf(entry);
    if (manifestDigest !== null) tags.push({ name: decodeTag(name), manifestDigest });
  }
  return tags.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

/** Manifest that a tag names; null when there is no such tag, or it points to no manifest. */
export function readTag(repository: Repository, name: string): OciDigest | null {
  let ref: string;
  try {
    ref = tagRef(name);
  } catch (error) {
    if (error instanceof OciError) return null;
    throw error;
  }
  const entry = repository.readRef("streams", ref);
  return entry === null ? null : manifestDigestOf(entry);
}
