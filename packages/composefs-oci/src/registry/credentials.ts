import { join } from "node:path";
import { type Credentials, findAuth } from "./auth-file.ts";
import { readConfigFile } from "./config-file.ts";
import { askHelper } from "./credential-helper.ts";
import type { RegistryEnvironment } from "./environment.ts";

/** A helper may ask the user to unlock something. */
const HELPER_TIMEOUT_MS = 60_000;

/** What was found for a repository. */
export interface FoundCredentials {
  /** Null: ask without. */
  readonly credentials: Credentials | null;
  /** Why a helper that should have had them gave none; told once the registry refuses. */
  readonly helperFailure: Error | null;
}

/**
 * Looks for the credentials of a repository where podman, skopeo and docker keep them: in `REGISTRY_AUTH_FILE` alone when
 * that is set, else in `${XDG_RUNTIME_DIR}/containers/auth.json`, `~/.config/containers/auth.json` and docker's
 * `config.json`. The first file that has some wins. See containers-auth.json(5).
 *
 * @throws OciError `REGISTRY_CONFIG_INVALID`
 */
export async function findCredentials(
  environment: RegistryEnvironment,
  host: string,
  repository: string,
  signal?: AbortSignal,
): Promise<FoundCredentials> {
  let helperFailure: Error | null = null;
  for (const file of authFiles(environment)) {
    const bytes = await readConfigFile(file);
    const entry =
      bytes === null || bytes.length === 0 ? null : findAuth(bytes.toString("utf8"), file, host, repository);
    if (entry === null) continue;
    if (entry.kind === "inline") return { credentials: entry.credentials, helperFailure };
    try {
      const { env } = environment;
      const credentials = await askHelper(entry.helper, entry.server, { env, timeoutMs: HELPER_TIMEOUT_MS, signal });
      if (credentials !== null) return { credentials, helperFailure };
    } catch (error) {
      if (signal?.aborted) throw error;
      helperFailure ??= error as Error;
    }
  }
  return { credentials: null, helperFailure };
}

function authFiles({ env, home, configHome, uid }: RegistryEnvironment): string[] {
  if (env.REGISTRY_AUTH_FILE) return [env.REGISTRY_AUTH_FILE];
  return [
    env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, "containers/auth.json") : `/run/containers/${uid}/auth.json`,
    join(configHome, "containers/auth.json"),
    join(env.DOCKER_CONFIG || join(home, ".docker"), "config.json"),
  ];
}
