import { ComposefsError, type ErofsVersion, type ObjectId, type Repository, type XattrMode } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { contentId } from "../streams.ts";
import { imageFormat } from "./image-refs.ts";

/** An EROFS image that an OCI image's config refers to. */
export interface LinkedErofsImage {
  readonly id: ObjectId;
  readonly bootable: boolean;
  readonly version: ErofsVersion;
  /** Which xattrs a bootable image kept; null for others, whose xattrs are always those of the allow list. */
  readonly xattrMode: XattrMode | null;
}

/** `composefs.image`, `.boot`, `.v1`, `.xattrs=MODE` (oci.md §3.1). */
const KEY = /^composefs\.image(\.boot)?(\.v1)?(?:\.xattrs=([a-z-]+))?$/;

/**
 * Every EROFS image of the OCI image that `id` is one of, images that are not booted first, then by version and xattrs;
 * where several OCI images share it, those of all of them.
 *
 * @throws OciError `IMAGE_NOT_FOUND` no config refers to it; ComposefsError of a damaged stream, if nothing else was found
 */
export async function linkedErofsImages(repository: Repository, id: ObjectId): Promise<LinkedErofsImage[]> {
  const found = new Map<string, LinkedErofsImage>();
  let damaged: ComposefsError | undefined;
  for (const entry of repository.listStreams().filter(isConfig)) {
    try {
      const { namedRefs } = await repository.openStream(entry);
      const keys = [...namedRefs].filter(([key]) => KEY.test(key));
      if (!keys.some(([, image]) => image === id)) continue;
      for (const [key, image] of keys) found.set(`${key} ${image}`, await describeImage(repository, key, image));
    } catch (error) {
      // A damaged image must not hide the others.
      if (!(error instanceof ComposefsError)) throw error;
      damaged ??= error;
    }
  }
  if (found.size > 0) return [...found.values()].sort(compareImages);
  throw new OciError("IMAGE_NOT_FOUND", `image not found: ${id}`, {
    details: { id },
    hint: "give the id of an EROFS image that an OCI image has; `cfsctl oci inspect` shows it",
    ...(damaged === undefined ? {} : { cause: damaged }),
  });
}

function isConfig(entry: string): boolean {
  return entry.startsWith(contentId("config", "" as OciDigest));
}

async function describeImage(repository: Repository, key: string, id: ObjectId): Promise<LinkedErofsImage> {
  const [, boot, epoch, xattrs] = KEY.exec(key) as unknown as (string | undefined)[];
  return {
    id,
    bootable: boot !== undefined,
    version: epoch === undefined ? 2 : await versionOfEpoch1(repository, id),
    xattrMode: boot === undefined ? null : xattrs === "keep-user-xattrs" ? "keep-user-xattrs" : "allowlist-only",
  };
}

/** Formats 0 and 1 share their keys, so the image itself has to tell; one that cannot be read counts as 1. */
async function versionOfEpoch1(repository: Repository, id: ObjectId): Promise<ErofsVersion> {
  if (!repository.objects.has(id)) return 1;
  return imageFormat(await repository.objects.read(id)) ?? 1;
}

function compareImages(a: LinkedErofsImage, b: LinkedErofsImage): number {
  const rank = ({ bootable, version, xattrMode, id }: LinkedErofsImage): string =>
    `${Number(bootable)} ${version} ${xattrMode ?? ""} ${id}`;
  return rank(a) < rank(b) ? -1 : 1;
}
