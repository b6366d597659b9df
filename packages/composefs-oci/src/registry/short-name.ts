import { join } from "node:path";
import { isShortName } from "./aliases.ts";
import { readConfigFile } from "./config-file.ts";
import { type RegistryEnvironment, registryEnvironment } from "./environment.ts";
import { loadRegistriesConf } from "./load-registries-conf.ts";
import { parseRegistriesConf } from "./registries-conf.ts";

/** Where a short name leads. */
export interface ResolvedName {
  /** `docker://HOST/NAME`, with the tag and the digest of the short name. */
  readonly reference: string;
  /** File that says so. */
  readonly file: string;
}

/**
 * Looks `NAME[:TAG][@DIGEST]` up among the aliases: those that podman wrote down for the user, then those of
 * `registries.conf`. Registries are not searched for what has none: whoever holds the name in one of them would decide what
 * is pulled.
 *
 * @returns null for a name that is not short or has no alias
 * @throws OciError `REGISTRY_CONFIG_INVALID`
 * @see containers-registries.conf(5), Short-Name Aliasing
 */
export async function resolveShortName(
  name: string,
  given: Partial<RegistryEnvironment> = {},
): Promise<ResolvedName | null> {
  const [, short = "", rest = ""] = /^([^:@]*)(.*)$/s.exec(name) ?? [];
  if (!isShortName(short)) return null;
  const environment = registryEnvironment(given);
  const path = join(environment.cacheHome, "containers", "short-name-aliases.conf");
  const written = await readConfigFile(path);
  const alias =
    (written === null ? undefined : parseRegistriesConf(written.toString("utf8"), path).aliases.get(short)) ??
    (await loadRegistriesConf(environment)).aliases.get(short);
  if (alias === undefined || alias.target === null) return null;
  return { reference: `docker://${alias.target}${rest}`, file: alias.file };
}
