import { OciError } from "../errors.ts";
import type { Descriptor } from "../image/manifest.ts";
import type { AccessOptions, BlobSource, Candidate } from "../source/blob-source.ts";
import { readRegistryBlob } from "./blob-reader.ts";
import { MAX_MANIFEST_BYTES } from "./document-reader.ts";
import { pullEndpoints } from "./endpoints.ts";
import { registryEnvironment } from "./environment.ts";
import { loadRegistriesConf } from "./load-registries-conf.ts";
import { type RegistryManifest, readRegistryManifest } from "./manifest-reader.ts";
import type { RegistryOptions } from "./options.ts";
import { parseRegistryReference } from "./reference.ts";
import { readRegistryReferrers } from "./referrers.ts";
import { RegistryClient } from "./registry-client.ts";
import { DEFAULT_TIMING } from "./timing.ts";

/** As `openRegistrySource`, which loads this. @throws as that */
export async function registrySource(reference: string, options: RegistryOptions): Promise<BlobSource> {
  const parsed = parseRegistryReference(reference);
  const environment = registryEnvironment(options.environment);
  const timing = { ...DEFAULT_TIMING, ...options.timing };
  const { onProgress } = options;
  const clients: Place[] = [];
  const { registries } = await loadRegistriesConf(environment);
  for (const endpoint of pullEndpoints(parsed, registries)) {
    const client = await RegistryClient.open({ endpoint, actions: "pull", environment, timing, onProgress });
    clients.push({ client, tagOrDigest: endpoint.digest ?? endpoint.tag ?? "latest" });
  }
  options.signal?.throwIfAborted();
  return new RegistrySource(reference, clients);
}

/** A registry, and what the image is called there. */
interface Place {
  readonly client: RegistryClient;
  readonly tagOrDigest: string;
}

/** The place that has the image. */
interface Found {
  readonly client: RegistryClient;
  readonly manifest: RegistryManifest;
}

class RegistrySource implements BlobSource {
  readonly reference: string;
  readonly #places: readonly Place[];
  #found: Found | null = null;

  constructor(reference: string, places: readonly Place[]) {
    this.reference = reference;
    this.#places = places;
  }

  async candidates({ signal }: AccessOptions = {}): Promise<readonly Candidate[]> {
    const { mediaType, digest, bytes } = (await this.#find(signal)).manifest;
    return [{ mediaType, digest, size: bytes.length, platform: null }];
  }

  async readManifest({ digest, size }: Descriptor, { signal }: AccessOptions = {}): Promise<Uint8Array> {
    const { client, manifest } = await this.#find(signal);
    if (manifest.digest === digest) return manifest.bytes;
    if (size > MAX_MANIFEST_BYTES) {
      throw new OciError("MANIFEST_INVALID", `${client.name}: manifest ${digest}: ${size} bytes are too many`, {
        details: { digest, sizeBytes: size, limit: MAX_MANIFEST_BYTES },
        hint: "registries take no larger ones than 4 MiB; the index is wrong",
      });
    }
    return (await readRegistryManifest(client, digest, signal)).bytes;
  }

  async *readBlob(descriptor: Descriptor, { signal }: AccessOptions = {}): AsyncIterable<Uint8Array> {
    const { client } = await this.#find(signal);
    yield* readRegistryBlob(client, descriptor, signal);
  }

  async readReferrers({ digest }: Descriptor, { signal }: AccessOptions = {}): Promise<readonly Candidate[]> {
    const { client } = await this.#find(signal);
    return readRegistryReferrers(client, digest, signal);
  }

  async close(): Promise<void> {
    for (const { client } of this.#places) client.close();
  }

  /** Finds the place that has the image. Each call has its own signal, so none waits for another's. */
  async #find(signal: AbortSignal | undefined): Promise<Found> {
    if (this.#found !== null) return this.#found;
    const failures: OciError[] = [];
    for (const { client, tagOrDigest } of this.#places) {
      try {
        this.#found = { client, manifest: await readRegistryManifest(client, tagOrDigest, signal) };
        return this.#found;
      } catch (error) {
        if (!(error instanceof OciError)) throw error;
        failures.push(error);
      }
    }
    throw withMirrors(failures);
  }
}

/** The error of the place itself, which says what its mirrors did. */
function withMirrors(failures: readonly OciError[]): OciError {
  const own = failures.at(-1) as OciError;
  const mirrors = failures.slice(0, -1);
  if (mirrors.length === 0) return own;
  const shown = mirrors.map(({ message }) => message).join("; ");
  return new OciError(own.code, `${own.message} (mirrors: ${shown})`, {
    details: { ...own.details, mirrors: mirrors.map(({ code, message }) => ({ code, message })) },
    hint: own.hint,
    cause: own,
  });
}
