import os from "node:os";
import type { Platform } from "./blob-source.ts";

/** Names of OCI (those of Go) for processors that Node calls otherwise. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: "amd64",
  ia32: "386",
  ppc64: "ppc64le",
  loong64: "loong64",
  mipsel: "mipsle",
};

/**
 * The platform of this machine. Only of 32-bit ARM the variant counts, whose programs a lesser processor does not run.
 *
 * @param arch as `process.arch`
 * @param machine as uname(2) has it: `armv6l`, `armv7l`
 */
export function hostPlatform(arch: string = process.arch, machine: string = os.machine()): Platform {
  const [, generation] = /^armv(\d+)/.exec(machine) ?? [];
  const variant = arch === "arm" && generation !== undefined ? `v${generation}` : null;
  return { os: process.platform, architecture: ARCHITECTURES[arch] ?? arch, variant };
}

/** Variants of 32-bit ARM; each runs programs of those after it. */
const ARM_VARIANTS: readonly string[] = ["v8", "v7", "v6", "v5"];

/**
 * How well something for `found` suits, 0 best, as podman and skopeo have it: of a wanted variant itself, those it runs, then
 * none; where none is wanted none, then those that are known, then any. An arm64 of v8 is an arm64.
 *
 * @returns null where it does not suit at all
 */
export function platformRank(wanted: Platform, found: Platform): number | null {
  if (wanted.os !== found.os || wanted.architecture !== found.architecture) return null;
  const isPlain = found.architecture === "arm64" && (found.variant === null || found.variant === "v8");
  if (isPlain && (wanted.variant === null || wanted.variant === "v8")) return 0;
  const known = wanted.architecture === "arm" ? ARM_VARIANTS : [];
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
