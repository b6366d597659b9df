import type { Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { openManifest } from "./image.ts";
import { listTags } from "./tags.ts";

/** A tagged image in brief. */
export interface ImageSummary {
  readonly name: string;
  readonly manifestDigest: OciDigest;
  readonly kind: "container" | "artifact";
  /** Empty for artifacts, as `os`. */
  readonly architecture: string;
  readonly os: string;
  /** When it was built, as its config says; null where it does not. */
  readonly created: string | null;
  readonly layers: number;
  readonly referrers: number;
}

/** A tag whose image cannot be opened. */
export interface BrokenTag {
  readonly name: string;
  readonly error: unknown;
}

/** All tagged images by name; damaged ones apart, so that one does not hide the rest. */
export async function listImages(
  repository: Repository,
): Promise<{ readonly images: readonly ImageSummary[]; readonly broken: readonly BrokenTag[] }> {
  const images: ImageSummary[] = [];
  const broken: BrokenTag[] = [];
  for (const { name, manifestDigest } of listTags(repository)) {
    try {
      const { manifest, config, referrers } = await openManifest(repository, manifestDigest);
      images.push({
        name,
        manifestDigest,
        kind: manifest.kind,
        architecture: config?.architecture ?? "",
        os: config?.os ?? "",
        created: config?.created ?? null,
        layers: manifest.layers.length,
        referrers: referrers.length,
      });
    } catch (error) {
      broken.push({ name, error });
    }
  }
  return { images, broken };
}
