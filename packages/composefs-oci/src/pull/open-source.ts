import type { ProgressListener } from "../progress.ts";
import { openRegistrySource } from "../registry/open-registry.ts";
import type { AccessOptions, BlobSource, Platform } from "../source/blob-source.ts";
import type { TransportReference } from "./transport.ts";

/** Settings of {@link openSource}. */
export interface OpenSourceOptions extends AccessOptions {
  /** Where a source has to decide; default this machine's. */
  readonly platform?: Platform | undefined;
  readonly onProgress?: ProgressListener | undefined;
}

/** Opens the place that a reference names, with the modules for it. @throws OciError `TRANSPORT`, `SOURCE_NOT_FOUND`, `SOURCE_INVALID`; KernelError */
export async function openSource(
  reference: string,
  { transport, rest }: TransportReference,
  options: OpenSourceOptions,
): Promise<BlobSource> {
  switch (transport) {
    case "oci":
      return (await import("../source/oci-layout-source.ts")).openOciDirectory(reference, rest);
    case "oci-archive":
      return (await import("../source/oci-layout-source.ts")).openOciArchive(reference, rest, options);
    case "docker-archive":
      return (await import("../source/docker-archive-source.ts")).openDockerArchive(reference, rest, options);
    case "dir":
      return (await import("../source/dir-source.ts")).openDir(reference, rest, options);
    case "docker":
    case "registry":
      return openRegistrySource(reference, { signal: options.signal, onProgress: options.onProgress });
    case "containers-storage":
    case "docker-daemon":
    case "ostree":
    case "sif":
    case "tarball":
      return (await import("./skopeo-copy.ts")).openThroughSkopeo(reference, options);
  }
}
