import { digestAlgorithm, digestOf, type OciDigest } from "../digest.ts";
import { OciError } from "../errors.ts";
import { optionalObjectField, parseJsonObject } from "../image/json-shape.ts";
import { type Descriptor, parseDescriptor } from "../image/manifest.ts";
import { OCI_INDEX } from "../media-types.ts";
import type { BlobFacts, BlobSink, OpenContent } from "../sink/blob-sink.ts";
import { artifactType } from "../sink/layout-index.ts";
import type { AccessOptions } from "../source/blob-source.ts";
import { uploadBlob } from "./blob-upload.ts";
import { pushEndpoint } from "./endpoints.ts";
import { registryEnvironment } from "./environment.ts";
import { loadRegistriesConf } from "./load-registries-conf.ts";
import { statedDigest } from "./manifest-reader.ts";
import type { RegistryOptions } from "./options.ts";
import { parseRegistryReference, type RegistryReference } from "./reference.ts";
import { referrersWith } from "./referrers.ts";
import { RegistryClient } from "./registry-client.ts";
import { DEFAULT_TIMING } from "./timing.ts";

/** As `openRegistrySink`, which loads this. @throws as that */
export async function registrySink(reference: string, options: RegistryOptions): Promise<BlobSink> {
  const parsed = parseRegistryReference(reference);
  const environment = registryEnvironment(options.environment);
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  const { onProgress } = options;
  const endpoint = pushEndpoint(parsed, (await loadRegistriesConf(environment)).registries);
  options.signal?.throwIfAborted();
  const client = await RegistryClient.open({ endpoint, actions: "pull,push", environment, timing, onProgress });
  return new RegistrySink(reference, parsed, client);
}

class RegistrySink implements BlobSink {
  readonly reference: string;
  readonly #name: RegistryReference;
  readonly #client: RegistryClient;

  constructor(reference: string, name: RegistryReference, client: RegistryClient) {
    this.reference = reference;
    this.#name = name;
    this.#client = client;
  }

  async hasBlob(digest: OciDigest, { signal }: AccessOptions = {}): Promise<boolean> {
    const request = { method: "HEAD", path: `blobs/${digest}`, what: `blob ${digest}`, signal } as const;
    const response = await this.#client.request({ ...request, expect: [200, 404] });
    response.discard();
    return response.status === 200;
  }

  async putBlob(open: OpenContent, expected: BlobFacts | null, { signal }: AccessOptions = {}): Promise<BlobFacts> {
    return uploadBlob(this.#client, open, expected, signal);
  }

  async putManifest(descriptor: Descriptor, bytes: Uint8Array, { signal }: AccessOptions = {}): Promise<void> {
    const { digest } = descriptor;
    if (this.#name.digest !== null) this.#refuseOtherDigest(this.#name.digest, digest, `manifest ${digest}`);
    await this.#put(descriptor, bytes, this.#name.tag ?? digest, signal);
  }

  async putReferrer(descriptor: Descriptor, bytes: Uint8Array, { signal }: AccessOptions = {}): Promise<void> {
    await this.#put(descriptor, bytes, descriptor.digest, signal);
  }

  async finish(): Promise<void> {
    // A registry keeps what it has taken.
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  async #put(descriptor: Descriptor, bytes: Uint8Array, name: string, signal: AbortSignal | undefined): Promise<void> {
    const { mediaType, digest } = descriptor;
    const what = `manifest ${digest}`;
    this.#refuseOtherDigest(digest, digestOf(bytes, digest), what);
    const response = await this.#client.request({
      method: "PUT",
      path: `manifests/${name}`,
      headers: { "content-type": mediaType },
      body: bytes,
      expect: [200, 201, 202],
      what,
      signal,
    });
    response.discard();
    await this.#tagReferrer(descriptor, bytes, response.headers["oci-subject"] !== undefined, signal);
    const stated = statedDigest(response.headers["docker-content-digest"]);
    if (stated === null || digestAlgorithm(stated) !== digestAlgorithm(digest)) return;
    this.#refuseOtherDigest(digest, stated, what);
  }

  /** Lists a manifest that has a subject where clients look for it in a registry that does not do so itself. */
  async #tagReferrer(
    { mediaType, digest, size }: Descriptor,
    bytes: Uint8Array,
    isListed: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const subject = optionalObjectField(parseJsonObject(bytes, "manifest"), "subject");
    if (isListed || subject === null) return;
    const added = { mediaType, digest, size, artifactType: artifactType(bytes) };
    const listed = await referrersWith(this.#client, parseDescriptor(subject).digest, added, signal);
    if (listed === null) return;
    const { tag, index } = listed;
    await this.#put({ mediaType: OCI_INDEX, digest: digestOf(index, digest), size: index.length }, index, tag, signal);
  }

  #refuseOtherDigest(expected: OciDigest, actual: OciDigest, what: string): void {
    if (actual === expected) return;
    throw new OciError("BLOB_DIGEST_MISMATCH", `${this.#client.name}: ${what}: expected ${expected}, found ${actual}`, {
      details: { expected, actual },
      hint: "push under a tag, or under the digest of this manifest",
    });
  }
}
