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

/** Variants of an architecture that run one another's programs, each those after it. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = { arm: ["v8", "v7", "v6", "v5"], arm64: ["v8"] };

/**
 * How well something for `found` suits, 0 best, as podman and skopeo have it: of a wanted variant itself, those it runs, then
 * none; where none is wanted none, then those that are known, then any.
 *
 * @returns null where it does not suit at all
 */
export function platformRank(wanted: Platform, found: Platform): number | null {
  if (wanted.os !== found.os || wanted.architecture !== found.architecture) return null;
  const known = VARIANTS[wanted.architecture] ?? [];
  if (wanted.variant === null) {
    const rank = [null, ...known].indexOf(found.variant);
    return rank === -1 ? known.length + 1 : rank;
  }
  const from = known.indexOf(wanted.variant);
  const taken = from === -1 ? [wanted.variant] : known.slice(from);
  const rank = [...taken, null].indexOf(found.variant);
  return rank === -1 ? null : rank;
}

/** As in `linux/arm/v7`. */
export function platformText({ os, architecture, variant }: Platform): string {
  return variant === null ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}
