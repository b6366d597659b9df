import { homedir } from "node:os";
import { join } from "node:path";
import { geteuid, env as processEnv } from "node:process";

/** Where the configuration of registries and the credentials are looked for. */
export interface RegistryEnvironment {
  /** `REGISTRY_AUTH_FILE`, `CONTAINERS_REGISTRIES_CONF`, `XDG_RUNTIME_DIR`, `https_proxy` and others. */
  readonly env: NodeJS.ProcessEnv;
  readonly home: string;
  /** The user's directory of configurations, `~/.config` unless `XDG_CONFIG_HOME` says otherwise. */
  readonly configHome: string;
  /** The user's directory of caches: root's is `/var/cache`, another's `~/.cache` unless `XDG_CACHE_HOME` says otherwise. */
  readonly cacheHome: string;
  readonly uid: number;
  /** The machine's directory of configurations. */
  readonly etc: string;
}

/** The environment of this process, or another one with `env`; other fields follow from it unless they are given. */
export function registryEnvironment(given: Partial<RegistryEnvironment> = {}): RegistryEnvironment {
  const env = given.env ?? processEnv;
  const home = given.home ?? (env.HOME || homedir());
  const configHome = given.configHome ?? (env.XDG_CONFIG_HOME || join(home, ".config"));
  const uid = given.uid ?? geteuid?.() ?? 0;
  const cacheHome = given.cacheHome ?? (uid === 0 ? "/var/cache" : env.XDG_CACHE_HOME || join(home, ".cache"));
  return { env, home, configHome, cacheHome, uid, etc: given.etc ?? "/etc" };
}
