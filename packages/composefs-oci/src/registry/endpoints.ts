import { OciError } from "../errors.ts";
import { imageName, parseImageName, type RegistryReference } from "./reference.ts";
import type { RegistryEntry } from "./registries-conf.ts";

/** A place in a registry where an image is asked for. */
export interface Endpoint extends RegistryReference {
  /** Whether plain HTTP, and TLS certificates that nobody vouches for, will do. */
  readonly insecure: boolean;
}

/**
 * Where an image may be read from, in the order to ask: mirrors, then the place itself.
 *
 * @throws OciError `TRANSPORT` the registry is blocked; `REGISTRY_CONFIG_INVALID` a location gives no image name
 */
export function pullEndpoints(reference: RegistryReference, entries: readonly RegistryEntry[]): readonly Endpoint[] {
  const match = findEntry(reference, entries);
  if (match === null) return [{ ...reference, insecure: false }];
  const { entry, matched } = match;
  refuseBlocked(reference, entry);
  const rest = imageName(reference).slice(matched);
  const rewritten = (location: string, insecure: boolean): Endpoint => {
    try {
      return { ...parseImageName(location + rest), insecure };
    } catch (cause) {
      throw new OciError(
        "REGISTRY_CONFIG_INVALID",
        `${entry.file}: location '${location}': ${(cause as Error).message}`,
        {
          details: { path: entry.file, location },
          hint: "correct the file",
          cause,
        },
      );
    }
  };
  const mirrors = entry.mirrors.filter(
    ({ pullFromMirror: when }) => when === "all" || (when === "digest-only") === (reference.digest !== null),
  );
  return [
    ...mirrors.map(({ location, insecure }) => rewritten(location, insecure)),
    entry.location === null ? { ...reference, insecure: entry.insecure } : rewritten(entry.location, entry.insecure),
  ];
}

/**
 * Where an image is written to: the place its name says; mirrors and other locations are for reading, as in podman.
 *
 * @throws OciError `TRANSPORT` the registry is blocked
 */
export function pushEndpoint(reference: RegistryReference, entries: readonly RegistryEntry[]): Endpoint {
  const entry = findEntry(reference, entries)?.entry;
  if (entry !== undefined) refuseBlocked(reference, entry);
  return { ...reference, insecure: entry?.insecure ?? false };
}

function refuseBlocked(reference: RegistryReference, { blocked, prefix, file }: RegistryEntry): void {
  if (!blocked) return;
  throw new OciError("TRANSPORT", `${imageName(reference)}: ${prefix} is blocked by ${file}`, {
    details: { host: reference.host, prefix, path: file },
    hint: "use another registry, or take `blocked` out of the file",
  });
}

/** The table whose prefix is the longest that fits, and how much of the image's name it covers. */
function findEntry(
  reference: RegistryReference,
  entries: readonly RegistryEntry[],
): { entry: RegistryEntry; matched: number } | null {
  const name = imageName(reference);
  const fitting = entries.flatMap((entry) => {
    const matched = matchedLength(name, reference.host, entry.prefix);
    return matched === null ? [] : [{ entry, matched, exact: entry.prefix.startsWith("*.") ? 0 : 1 }];
  });
  // At the same length a host's own table goes before a wildcard's.
  fitting.sort((a, b) => b.matched - a.matched || b.exact - a.exact);
  return fitting[0] ?? null;
}

function matchedLength(name: string, host: string, prefix: string): number | null {
  if (prefix.startsWith("*.")) {
    const [domain = ""] = host.split(":");
    return domain.endsWith(prefix.slice(1)) ? domain.length : null;
  }
  const next = name.charAt(prefix.length);
  return name.startsWith(prefix) && (next === "" || /[:@/]/.test(next)) ? prefix.length : null;
}
