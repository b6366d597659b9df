/** How a blob holds its tar. */
export type Compression = "none" | "gzip" | "zstd";

/** Media type of an OCI image manifest. */
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
/** Media type of an OCI image index. */
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
/** Media type of Docker's manifest, schema 2. */
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
/** Media type of Docker's manifest list. */
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
/** Media type of Docker's manifest, schema 1. */
export const DOCKER_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+json";
/** Media type of an OCI image config. */
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
/** Media type of the config of an image in Docker's form. */
const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
/** Kind of artifact that holds changes against another image (oci.md §6.7). */
export const DELTA = "application/vnd.io.github.containers.oci-delta.v1";
/** Media type of a layer that is a plain tar. */
export const OCI_TAR = "application/vnd.oci.image.layer.v1.tar";

/** Layers of each kind with their Docker twins (oci.md §2.1, §11.2). */
const LAYERS: ReadonlyMap<string, Compression> = new Map([
  [OCI_TAR, "none"],
  [`${OCI_TAR}+gzip`, "gzip"],
  [`${OCI_TAR}+zstd`, "zstd"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar", "none"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "gzip"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", "zstd"],
  ["application/vnd.docker.image.rootfs.diff.tar", "none"],
  ["application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip"],
  ["application/vnd.docker.image.rootfs.diff.tar.zstd", "zstd"],
  ["application/vnd.docker.image.rootfs.foreign.diff.tar", "none"],
  ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "gzip"],
]);

/** How a layer of this media type holds its tar; null when it is no tar. */
export function layerCompression(mediaType: string): Compression | null {
  return LAYERS.get(mediaType) ?? null;
}

/** Whether a config of this media type is that of a container image; those of artifacts are of any other type. */
export function isContainerConfig(mediaType: string): boolean {
  return mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG;
}

/** Whether a document of this media type is a manifest. */
export function isManifestType(mediaType: string): boolean {
  return mediaType === OCI_MANIFEST || mediaType === DOCKER_MANIFEST;
}

/** Whether a document of this media type lists manifests. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === OCI_INDEX || mediaType === DOCKER_LIST;
}
