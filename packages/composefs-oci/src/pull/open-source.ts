import { openRegistrySource } from "../registry/registry-source.ts";
import type { AccessOptions, BlobSource, Platform } from "../source/blob-source.ts";
import { openDir } from "../source/dir-source.ts";
import { openDockerArchive } from "../source/docker-archive-source.ts";
import { openOciArchive, openOciDirectory } from "../source/oci-layout-source.ts";
import { openThroughSkopeo } from "./skopeo-copy.ts";
import type { TransportReference } from "./transport.ts";

/** Settings of {@link openSource}. */
export interface OpenSourceOptions extends AccessOptions {
  /** Where a source has to decide; default this machine's. */
  readonly platform?: Platform | undefined;
}

/** Opens the place that a reference names. @throws OciError `TRANSPORT`, `SOURCE_NOT_FOUND`, `SOURCE_INVALID`; KernelError */
export async function openSource(
  reference: string,
  { transport, rest }: TransportReference,
  options: OpenSourceOptions,
): Promise<BlobSource> {
  switch (transport) {
    case "oci":
      return openOciDirectory(reference, rest);
    case "oci-archive":
      return openOciArchive(reference, rest, options);
    case "docker-archive":
      return openDockerArchive(reference, rest, options);
    case "dir":
      return openDir(reference, rest, options);
    case "docker":
    case "registry":
      return openRegistrySource(reference, { signal: options.signal });
    case "containers-storage":
    case "docker-daemon":
    case "ostree":
    case "sif":
    case "tarball":
      return openThroughSkopeo(reference, options);
  }
}
