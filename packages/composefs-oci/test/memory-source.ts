import type { Descriptor } from "../src/image/manifest.ts";
import type { BlobSource, Candidate, Platform } from "../src/source/blob-source.ts";
import { chunked, sha256 } from "./tar-builder.ts";

const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";

/** A layer of an image in memory: its blob and what that is said to be. */
export interface MemoryLayer {
  readonly blob: Uint8Array;
  readonly diffId: string;
  readonly mediaType?: string;
}

/** A source that keeps blobs in memory and notes what is read. */
export class MemorySource implements BlobSource {
  readonly reference = "memory:image";
  readonly blobs = new Map<string, Uint8Array>();
  readonly entries: Candidate[] = [];
  /** Digests of all that was read. */
  readonly read: string[] = [];
  chunkSize = 1000;

  put(bytes: Uint8Array | string, mediaType = ""): Descriptor {
    const digest = sha256(bytes);
    this.blobs.set(digest, Buffer.from(bytes));
    return { mediaType, digest, size: Buffer.byteLength(bytes) };
  }

  /** Adds an image, by default for this machine's platform by its config, and none by its descriptor. */
  image(layers: readonly MemoryLayer[], changes: { config?: object; manifest?: object } = {}): Descriptor {
    const config = this.put(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
        ...changes.config,
      }),
      CONFIG_TYPE,
    );
    const blobs = layers.map(({ blob, mediaType = "application/vnd.oci.image.layer.v1.tar" }) =>
      this.put(blob, mediaType),
    );
    return this.put(JSON.stringify({ schemaVersion: 2, config, layers: blobs, ...changes.manifest }), MANIFEST_TYPE);
  }

  /** Adds an artifact of one blob about another manifest, or about none. */
  artifact(content: string, subject: object | null, changes: object = {}): Descriptor {
    const config = this.put("{}", "application/vnd.oci.empty.v1+json");
    const layers = [this.put(content, "text/plain")];
    return this.put(JSON.stringify({ schemaVersion: 2, config, layers, subject, ...changes }), MANIFEST_TYPE);
  }

  index(entries: readonly (Descriptor & { platform?: object })[]): Descriptor {
    return this.put(JSON.stringify({ schemaVersion: 2, manifests: entries }), INDEX_TYPE);
  }

  add(descriptor: Descriptor, platform: Platform | null = null): void {
    this.entries.push({ ...descriptor, platform });
  }

  async candidates(): Promise<readonly Candidate[]> {
    return this.entries;
  }

  async readManifest({ digest }: Descriptor): Promise<Uint8Array> {
    this.read.push(digest);
    return this.blobs.get(digest) as Uint8Array;
  }

  readBlob({ digest }: Descriptor): AsyncIterable<Uint8Array> {
    this.read.push(digest);
    return chunked(this.blobs.get(digest) as Uint8Array, this.chunkSize);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
