import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A layer as its tar and as it lies in a layout. */
export interface MadeLayer {
  readonly tar: Uint8Array;
  readonly blob: Uint8Array;
  readonly mediaType: string;
}

/** Writes an image of these layers as an OCI layout with the tag `latest`; returns `oci:DIR:latest`. */
export function writeLayout(path: string, layers: readonly MadeLayer[]): string {
  mkdirSync(join(path, "blobs/sha256"), { recursive: true });
  const put = (bytes: Uint8Array | string): { digest: string; size: number } => {
    const digest = sha256(bytes);
    writeFileSync(join(path, "blobs/sha256", digest.slice(7)), bytes);
    return { digest, size: Buffer.byteLength(bytes) };
  };
  const config = JSON.stringify({
    created: "2023-11-14T22:13:20Z",
    architecture: ARCHITECTURES[process.arch] ?? process.arch,
    os: "linux",
    config: { Cmd: ["/usr/bin/true"], Labels: { note: "<ä> & more" } },
    rootfs: { type: "layers", diff_ids: layers.map(({ tar }) => sha256(tar)) },
    history: layers.map((_, index) => ({ created: "2023-11-14T22:13:20Z", created_by: `layer ${index}` })),
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...put(config) },
    layers: layers.map(({ blob, mediaType }) => ({ mediaType, ...put(blob) })),
  });
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  const index = { schemaVersion: 2, manifests: [{ mediaType: MANIFEST, ...put(manifest), annotations }] };
  writeFileSync(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(path, "index.json"), JSON.stringify(index));
  return `oci:${path}:latest`;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64" };

function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
