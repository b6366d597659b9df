import type { Repository } from "@composefs/core";
import type { OciDigest } from "../src/digest.ts";
import { storeBlobLayer } from "../src/layer/blob-layer.ts";
import { storeTarLayer } from "../src/layer/import-layer.ts";
import type { StoredLayer } from "../src/layer/store-layer.ts";
import type { ImageSource, SourceLayer, SourceLayerOptions } from "../src/pull/image-source.ts";
import { importImage, type PullResult } from "../src/pull/import-image.ts";
import { chunked, noise, sha256, tar, USR } from "./tar-builder.ts";

const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";

/** An image made for a test. */
export interface FakeImage {
  readonly source: ImageSource;
  readonly manifestDigest: OciDigest;
  readonly configDigest: OciDigest;
  readonly diffIds: readonly OciDigest[];
  /** How often each layer was asked for. */
  readonly stored: OciDigest[];
}

/** What a {@link fakeImage} is to have. */
export interface FakeImageOptions {
  /** Tars of the layers, base first; default three with a file each. */
  readonly tars?: readonly Uint8Array[];
  readonly configType?: string;
  /** Bytes in place of the config's. */
  readonly config?: Uint8Array;
  /** Fields that replace those of the manifest. */
  readonly manifest?: object;
  readonly architecture?: string;
  readonly os?: string;
  /** Called before layer `index` is stored; may throw. */
  readonly onStore?: (index: number, options: SourceLayerOptions) => Promise<void> | void;
  /** Whether layers tell the parts of their streams while they are stored; default false. */
  readonly tellsParts?: boolean;
}

/** A tar with `/usr` and one file of `size` bytes that no other tar has. */
export function oneFile(size = 1000): Buffer {
  return tar([USR, { name: "file", content: noise(size) }]);
}

/** An image whose layers come from memory. */
export function fakeImage(repository: Repository, options: FakeImageOptions = {}): FakeImage {
  const {
    tars = [oneFile(), oneFile(), oneFile()],
    architecture = "amd64",
    os = "linux",
    onStore,
    tellsParts,
  } = options;
  const diffIds = tars.map(sha256);
  const config =
    options.config ?? Buffer.from(JSON.stringify({ architecture, os, rootfs: { type: "layers", diff_ids: diffIds } }));
  const configDigest = sha256(config);
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: { mediaType: options.configType ?? CONFIG_TYPE, digest: configDigest, size: config.length },
      layers: tars.map((bytes) => ({ mediaType: LAYER_TYPE, digest: sha256(bytes), size: bytes.length })),
      ...options.manifest,
    }),
  );
  const stored: OciDigest[] = [];
  const layers = tars.map((bytes, index): SourceLayer => {
    const diffId = diffIds[index] as OciDigest;
    return {
      diffId,
      bytes: bytes.length,
      store: async (run): Promise<StoredLayer> => {
        stored.push(diffId);
        await onStore?.(index, run);
        return storeTarLayer(repository, diffId, chunked(bytes), {
          signal: run.signal,
          onBytes: run.onBytes,
          listener: tellsParts ? run.listener : undefined,
        });
      },
    };
  });
  return { source: { manifest, config, layers }, manifestDigest: sha256(manifest), configDigest, diffIds, stored };
}

/** Imports an artifact of one blob about `subject`. */
export function importArtifact(repository: Repository, subject: OciDigest, blob: Uint8Array): Promise<PullResult> {
  const config = Buffer.from("{}");
  const descriptor = (bytes: Uint8Array, mediaType: string) => ({
    mediaType,
    digest: sha256(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      artifactType: "application/x-signature",
      config: descriptor(config, "application/vnd.oci.empty.v1+json"),
      layers: [descriptor(blob, "application/x-blob")],
      subject: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: subject, size: 1 },
    }),
  );
  const store = () => storeBlobLayer(repository, sha256(blob), chunked(blob));
  return importImage(repository, { manifest, config, layers: [{ diffId: sha256(blob), bytes: null, store }] });
}
