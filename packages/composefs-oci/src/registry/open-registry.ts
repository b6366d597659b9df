import type { BlobSink } from "../sink/blob-sink.ts";
import type { BlobSource } from "../source/blob-source.ts";
import type { RegistryOptions } from "./options.ts";

// The client, TLS and TOML are loaded here and no earlier: most programs that work on images ask no registry.

/**
 * Opens an image in a registry for reading; nothing is asked of the registry yet. Mirrors of `registries.conf` are tried
 * in order, then the place itself; the first that has the image gives all of it.
 *
 * @param reference `docker://[HOST[:PORT]/]NAME[:TAG][@DIGEST]`
 * @throws OciError `REF_INVALID`, `REGISTRY_CONFIG_INVALID`, `TRANSPORT` the registry is blocked
 * @see oci.md §1.1
 */
export async function openRegistrySource(reference: string, options: RegistryOptions = {}): Promise<BlobSource> {
  const { registrySource } = await import("./registry-source.ts");
  return registrySource(reference, options);
}

/**
 * Opens a repository of a registry for writing; nothing is asked of the registry yet. Mirrors and other locations of
 * `registries.conf` are for reading only, as in podman.
 *
 * @param reference `docker://[HOST[:PORT]/]NAME[:TAG][@DIGEST]`: the manifest gets the tag, without one it is known by
 *   its digest alone; a digest that is given must be the manifest's
 * @throws OciError `REF_INVALID`, `REGISTRY_CONFIG_INVALID`, `TRANSPORT` the registry is blocked
 */
export async function openRegistrySink(reference: string, options: RegistryOptions = {}): Promise<BlobSink> {
  const { registrySink } = await import("./registry-sink.ts");
  return registrySink(reference, options);
}
