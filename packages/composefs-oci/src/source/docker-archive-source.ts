import { CompressionError } from "../compression/compression-error.ts";
import { decompress, sniffCompression } from "../compression/decompress.ts";
import { digestOf, type OciDigest } from "../digest.ts";
import { digestMismatch } from "../digest-mismatch.ts";
import { OciError } from "../errors.ts";
import { parseConfig } from "../image/config.ts";
import type { Descriptor } from "../image/manifest.ts";
import { type Compression, OCI_CONFIG, OCI_MANIFEST, OCI_TAR } from "../media-types.ts";
import { openArchive } from "./archive-files.ts";
import type { AccessOptions, BlobSource } from "./blob-source.ts";
import { chooseSavedImage, parseSavedImages, type SavedImage } from "./docker-save-list.ts";
import type { FileContent, FileSet } from "./file-set.ts";
import { readAll, readBlobFile } from "./read-all.ts";
import { malformed, noSuchBlob, noSuchPath } from "./source-errors.ts";
import { splitTag } from "./split-tag.ts";

/** An image of an archive with the manifest written for it. */
interface ArchivedImage {
  readonly manifest: Uint8Array;
  /** Where the blobs are: the config, and the layers by their diff_ids. */
  readonly paths: ReadonlyMap<OciDigest, string>;
}

const MAGIC_BYTES = 4;

/**
 * Opens an archive by `docker save`. It has no manifest, so one is written: of OCI's form, the layers as plain tars, which
 * they become on the way where they are compressed. The same image gives the same manifest.
 *
 * @param reference as given, for messages
 * @param text what stands after `docker-archive:`, that is `FILE[:NAME]` or `FILE:@N`
 * @throws OciError `SOURCE_NOT_FOUND`, `SOURCE_INVALID`; KernelError
 * @see oci.md §11.5
 */
export async function openDockerArchive(
  reference: string,
  text: string,
  options: AccessOptions = {},
): Promise<BlobSource> {
  const { path, tag } = await splitTag(text, "first-colon");
  const files = await openArchive(path, options);
  if (files === null) throw noSuchPath(reference, path);
  let image: Promise<ArchivedImage> | null = null;
  const archived = (access?: AccessOptions): Promise<ArchivedImage> => {
    image ??= describe(reference, files, tag, access);
    return image;
  };
  return {
    reference,
    candidates: async (access) => {
      const { manifest } = await archived(access);
      return [{ mediaType: OCI_MANIFEST, digest: digestOf(manifest), size: manifest.length, platform: null }];
    },
    readManifest: async (_, access) => (await archived(access)).manifest,
    readBlob: async function* (descriptor, access) {
      const part = (await archived(access)).paths.get(descriptor.digest);
      const missing = (): OciError => noSuchBlob(part ?? `blob ${descriptor.digest}`);
      if (part === undefined) throw missing();
      const content = await files.open(part);
      if (content === null) throw missing();
      if (descriptor.mediaType === OCI_CONFIG) yield* readBlobFile(async () => content, missing, access);
      else yield* readTar(content, descriptor.digest, access);
    },
    close: () => files.close(),
  };
}

async function describe(
  reference: string,
  files: FileSet,
  name: string | null,
  access?: AccessOptions,
): Promise<ArchivedImage> {
  const list = await readAll(files, "manifest.json", access);
  if (list === null) {
    throw malformed(
      reference,
      "it has no manifest.json",
      "this is no archive by `docker save`, or one by docker before 1.10",
    );
  }
  const saved = chooseSavedImage(reference, parseSavedImages(list), name);
  const configBytes = await readAll(files, saved.config, access);
  if (configBytes === null) throw noSuchBlob(saved.config);
  const config = checkedConfig(configBytes, saved);
  const { diffIds } = parseConfig(configBytes);
  if (diffIds.length !== saved.layers.length) {
    throw new OciError(
      "LAYER_COUNT_MISMATCH",
      `manifest.json has ${saved.layers.length} layers, the config ${diffIds.length} diff_ids`,
      { details: { layers: saved.layers.length, diffIds: diffIds.length }, hint: "save the image again" },
    );
  }
  const paths = new Map<OciDigest, string>([[config.digest, saved.config]]);
  const layers: Descriptor[] = [];
  // A list may name a file a thousand times, and a compressed one is read for its size.
  const sizes = new Map<string, number>();
  for (const [i, digest] of diffIds.entries()) {
    const path = saved.layers[i] as string;
    let size = sizes.get(path);
    if (size === undefined) {
      const content = await files.open(path);
      if (content === null) throw noSuchBlob(`${path}, layer ${digest}`);
      size = await tarSize(content, digest, access);
      sizes.set(path, size);
    }
    paths.set(digest, path);
    layers.push({ mediaType: OCI_TAR, digest, size });
  }
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers }));
  return { manifest, paths };
}

/** Where the config is called by its digest, it must have it. */
function checkedConfig(bytes: Uint8Array, { config: path }: SavedImage): Descriptor {
  const digest = digestOf(bytes);
  const expected = /^(?:sha256:|blobs\/sha256\/)?([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1];
  if (expected === undefined || digest === `sha256:${expected}`) {
    return { mediaType: OCI_CONFIG, digest, size: bytes.length };
  }
  throw digestMismatch(`config ${path}`, `sha256:${expected}` as OciDigest, digest, "save the image again");
}

/** Bytes of a layer's tar. Only a compressed one must be read for that. */
async function tarSize(content: FileContent, layer: OciDigest, access?: AccessOptions): Promise<number> {
  if ((await compressionOf(content, access)) === "none") {
    await content.close();
    return content.size;
  }
  let size = 0;
  for await (const piece of readTar(content, layer, access)) size += piece.length;
  return size;
}

async function* readTar(
  content: FileContent,
  layer: OciDigest,
  access?: AccessOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* decompress(content.read(access), await compressionOf(content, access));
  } catch (cause) {
    if (!(cause instanceof CompressionError)) throw cause;
    throw new OciError("LAYER_CORRUPT", `layer ${layer}: at or after byte ${cause.offset}: ${cause.message}`, {
      details: { layer, offset: cause.offset },
      hint: "save the image again",
      cause,
    });
  } finally {
    await content.close();
  }
}

async function compressionOf(content: FileContent, access?: AccessOptions): Promise<Compression> {
  let start: Uint8Array = new Uint8Array();
  for await (const piece of content.read(access)) {
    start = Buffer.concat([start, piece.subarray(0, MAGIC_BYTES)]);
    if (start.length >= MAGIC_BYTES) break;
  }
  return sniffCompression(start);
}
