import { createReadStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Repository } from "@composefs/core";
import { unzstd } from "@composefs/core";
import {
  type Descriptor,
  type ImageSource,
  type OciDigest,
  parseConfig,
  parseManifest,
  type SourceLayer,
  storeBlobLayer,
  storeTarLayer,
} from "@composefs/oci";

/** An image of an OCI layout as a source for `importImage`; for recorded layouts, whose digests are taken on trust. */
export function layoutSource(repository: Repository, directory: string, manifestDigest: string): ImageSource {
  const blobPath = (digest: string): string => join(directory, "blobs", ...digest.split(":"));
  const manifestBytes = readFileSync(blobPath(manifestDigest));
  const manifest = parseManifest(manifestBytes);
  const config = readFileSync(blobPath(manifest.config.digest));
  const diffIds = manifest.kind === "container" ? parseConfig(config).diffIds : null;
  const layer = (descriptor: Descriptor, i: number): SourceLayer => {
    const id = (diffIds?.[i] ?? descriptor.digest) as OciDigest;
    const { digest, mediaType } = descriptor;
    const store = isTar(mediaType)
      ? () => storeTarLayer(repository, id, uncompressed(blobPath(digest), mediaType), { verify: diffIds !== null })
      : () => storeBlobLayer(repository, id, createReadStream(blobPath(digest)));
    return { diffId: id, bytes: null, store };
  };
  return { manifest: manifestBytes, config, layers: manifest.layers.map(layer) };
}

function isTar(mediaType: string): boolean {
  return /\.tar(\+gzip|\+zstd)?$/.test(mediaType);
}

function uncompressed(path: string, mediaType: string): AsyncIterable<Uint8Array> {
  if (mediaType.endsWith("+gzip")) return createReadStream(path).pipe(createGunzip());
  if (mediaType.endsWith("+zstd")) return Readable.from(unzstd(readFileSync(path)));
  return createReadStream(path);
}
