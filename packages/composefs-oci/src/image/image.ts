import { ComposefsError, type ObjectId, type Repository } from "@composefs/core";
import type { OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { CONTENT_TYPE, configRefName, contentId } from "../streams.ts";
import { type ImageConfig, parseConfig } from "./config.ts";
import { readJsonStream } from "./json-stream.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { listReferrers } from "./referrers.ts";
import { resolveImage } from "./resolve-image.ts";

/** An image of a repository, its manifest and config read and checked against their digests. */
export interface OciImage {
  readonly manifestDigest: OciDigest;
  /** Exact bytes. */
  readonly manifestBytes: Uint8Array;
  readonly manifest: Manifest;
  /** The manifest's splitstream. */
  readonly manifestId: ObjectId;
  readonly configDigest: OciDigest;
  /** Exact bytes; of an artifact whatever it has in place of a config. */
  readonly configBytes: Uint8Array;
  /** Null for artifacts. */
  readonly config: ImageConfig | null;
  /** The config's splitstream. */
  readonly configId: ObjectId;
  /** References of the config's splitstream: layers by diff_id, EROFS images by key. */
  readonly configRefs: ReadonlyMap<string, ObjectId>;
  /** Digests of artifacts about this image, sorted. */
  readonly referrers: readonly OciDigest[];
}

/**
 * Opens an image by tag, `@digest`, digest (of manifest or config), or at least 8 digits of a manifest's digest.
 *
 * @throws OciError `IMAGE_NOT_FOUND`, `REF_AMBIGUOUS`, `MANIFEST_INVALID`, `BLOB_DIGEST_MISMATCH`; ComposefsError of
 *   damaged streams
 */
export async function openImage(repository: Repository, reference: string): Promise<OciImage> {
  return openManifest(repository, await resolveImage(repository, reference), reference);
}

/** Opens the image of a manifest. @throws as {@link openImage} */
export async function openManifest(
  repository: Repository,
  manifestDigest: OciDigest,
  reference: string = manifestDigest,
): Promise<OciImage> {
  const name = contentId("manifest", manifestDigest);
  const manifestStream = await openOrExplain(repository, name, reference);
  checkType(manifestStream.type, CONTENT_TYPE.manifest, name);
  const manifestBytes = await readJsonStream(repository, manifestStream, "manifest", manifestDigest);
  const manifest = parseManifest(manifestBytes);
  const configDigest = manifest.config.digest;
  const configId = manifestStream.namedRefs.get(configRefName(configDigest));
  if (configId === undefined) {
    throw new OciError("MANIFEST_INVALID", `${name} has no reference to its config ${configDigest}`, {
      details: { stream: name, configDigest },
      hint: "pull the image again",
    });
  }
  const configStream = await repository.openStreamObject(configId, contentId("config", configDigest));
  const configBytes = await readJsonStream(repository, configStream, "config", configDigest);
  return {
    manifestDigest,
    manifestBytes,
    manifest,
    manifestId: manifestStream.id,
    configDigest,
    configBytes,
    config: manifest.kind === "container" ? parseConfig(configBytes) : null,
    configId,
    configRefs: configStream.namedRefs,
    referrers: listReferrers(repository, manifestDigest),
  };
}

async function openOrExplain(repository: Repository, name: string, reference: string) {
  try {
    return await repository.openStream(name);
  } catch (cause) {
    if (!(cause instanceof ComposefsError) || cause.code !== "STREAM_NOT_FOUND") throw cause;
    throw new OciError("IMAGE_NOT_FOUND", `image '${reference}': the repository has no ${name}`, {
      details: { reference, stream: name },
      hint: "pull the image again, or remove the tag",
      cause,
    });
  }
}

function checkType(found: string, expected: string, name: string): void {
  if (found === expected) return;
  throw new OciError("MANIFEST_INVALID", `${name} has the content type '${found}', expected '${expected}'`, {
    details: { stream: name, found, expected },
  });
}
