import type { Platform } from "./blob-source.ts";

/** Names of OCI (those of Go) for processors that Node calls otherwise. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "386",
  ppc64: "ppc64le",
  loong64: "loong64",
  mipsel: "mipsle",
};

/** The platform of this machine; its variant does not count. */
export function hostPlatform(): Platform {
  return { os: process.platform, architecture: ARCHITECTURES[process.arch] ?? process.arch, variant: null };
}

/** Whether something for `found` is what is wanted: any variant unless a certain one is asked for. */
export function platformFits(wanted: Platform, found: Platform): boolean {
  if (wanted.os !== found.os || wanted.architecture !== found.architecture) return false;
  return wanted.variant === null || wanted.variant === (found.variant ?? DEFAULT_VARIANTS[found.architecture] ?? null);
}

/** What an architecture without a variant is (the platforms of containerd and of Docker's images). */
const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { arm64: "v8", arm: "v7" };

/** As in `linux/arm/v7`. */
export function platformText({ os, architecture, variant }: Platform): string {
  return variant === null ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}
