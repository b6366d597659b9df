import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isAbsent } from "../is-absent.ts";
import type { Alias } from "./aliases.ts";
import { readConfigFile } from "./config-file.ts";
import type { RegistryEnvironment } from "./environment.ts";
import { parseRegistriesConf, type RegistriesConf, type RegistryEntry } from "./registries-conf.ts";

/**
 * Reads what counts for the user: `CONTAINERS_REGISTRIES_CONF`, else the user's `registries.conf`, else the machine's; then
 * the drop-ins, of which a later one replaces tables with the same prefix and aliases of the same name.
 * The user's own file leaves the machine's drop-ins out. See containers-registries.conf(5) and its `.d`.
 *
 * @throws OciError `REGISTRY_CONFIG_INVALID`
 */
export async function loadRegistriesConf(environment: RegistryEnvironment): Promise<RegistriesConf> {
  const userDir = join(environment.configHome, "containers");
  const machineDir = join(environment.etc, "containers");
  const named = environment.env.CONTAINERS_REGISTRIES_CONF;
  const registries = new Map<string, RegistryEntry>();
  const aliases = new Map<string, Alias>();
  const take = async (path: string): Promise<boolean> => {
    const bytes = await readConfigFile(path);
    if (bytes === null) return false;
    const found = parseRegistriesConf(bytes.toString("utf8"), path);
    for (const entry of found.registries) registries.set(entry.prefix, entry);
    for (const [name, alias] of found.aliases) aliases.set(name, alias);
    return true;
  };
  let usersOwn = false;
  if (named) await take(named);
  else {
    usersOwn = await take(join(userDir, "registries.conf"));
    if (!usersOwn) await take(join(machineDir, "registries.conf"));
  }
  for (const dir of usersOwn ? [userDir] : [machineDir, userDir]) {
    for (const path of await dropIns(join(dir, "registries.conf.d"))) await take(path);
  }
  return { registries: [...registries.values()], aliases };
}

async function dropIns(dir: string): Promise<string[]> {
  try {
    const entries = await readdir(dir, { withFileTypes: true });
    const names = entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith(".conf"));
    return names.map(({ name }) => join(dir, name)).sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
