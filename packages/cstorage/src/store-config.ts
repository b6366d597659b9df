import { join } from "node:path";
import { imageStoresOfOptions } from "./driver-options.ts";
import { CstorageError } from "./errors.ts";
import { parseStorageConf, type StorageConf } from "./storage-conf.ts";

/** Where podman keeps its storage for a user. */
export interface StoreConfig {
  /** Driver named by the configuration, `overlay2` given as `overlay`; null when none is named. */
  readonly driver: string | null;
  readonly graphRoot: string;
  /** Null when nothing says where it is; a reader does not need it. */
  readonly runRoot: string | null;
  /** Second root that holds the images of a split store. */
  readonly imageStore: string | null;
  readonly additionalImageStores: readonly string[];
  /** The configuration file that counted. */
  readonly file: string | null;
}

/** What the configuration depends on, gathered by the caller. */
export interface ConfigSources {
  /** Content of a file, or null when it does not exist. */
  readonly readFile: (path: string) => string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The user's id; 0 is the real root. */
  readonly uid: number;
  readonly home: string;
  /** A configuration file given by the caller, like `CONTAINERS_STORAGE_CONF`. */
  readonly conf?: string | undefined;
}

const SYSTEM_FILES = ["/etc/containers/storage.conf", "/usr/share/containers/storage.conf"];
const ROOT_GRAPH = "/var/lib/containers/storage";
const ROOT_RUN = "/run/containers/storage";

/**
 * Finds out where the storage is, as podman does; containers-storage.md §1.1. Opens nothing but what `readFile` reads.
 *
 * @throws CstorageError `STORE_NOT_FOUND` a file named explicitly is missing; `STORE_CORRUPT` a file is malformed
 */
export function resolveStoreConfig(sources: ConfigSources): StoreConfig {
  const { env } = sources;
  const explicit = sources.conf ?? env.CONTAINERS_STORAGE_CONF;
  const chosen = sources.uid === 0 ? rootful(sources, explicit) : rootless(sources, explicit);
  const expand = (path: string): string => expandPath(path, sources);
  const { conf } = chosen;
  const driver = env.STORAGE_DRIVER || chosen.driver;
  const imageStore = conf?.imageStore ?? null;
  const stores = env.STORAGE_OPTS
    ? imageStoresOfOptions(env.STORAGE_OPTS.split(","))
    : (conf?.additionalImageStores ?? []);
  return {
    driver: driver === "overlay2" ? "overlay" : driver,
    graphRoot: expand(chosen.graphRoot),
    runRoot: chosen.runRoot === null ? null : expand(chosen.runRoot),
    imageStore: imageStore === null ? null : expand(imageStore),
    additionalImageStores: stores.map(expand),
    file: chosen.file,
  };
}

/** Roots tried when the configured one holds no store, in order; containers-storage.md §1.1. */
export function fallbackRoots(sources: Pick<ConfigSources, "env" | "home">): readonly string[] {
  const { env, home } = sources;
  return [
    ...(env.XDG_DATA_HOME ? [join(env.XDG_DATA_HOME, "containers/storage")] : []),
    join(home, ".local/share/containers/storage"),
    ROOT_GRAPH,
    ...imageStoresOfOptions((env.STORAGE_OPTS ?? "").split(",")),
  ];
}

interface Chosen {
  readonly conf: StorageConf | null;
  readonly file: string | null;
  readonly driver: string | null;
  readonly graphRoot: string;
  readonly runRoot: string | null;
}

function rootful(sources: ConfigSources, explicit: string | undefined): Chosen {
  const found = explicit === undefined ? firstFile(sources, SYSTEM_FILES) : explicitFile(sources, explicit);
  const { XDG_CONFIG_HOME } = sources.env;
  // For root the user's file names roots only where no other file does.
  const user =
    explicit === undefined && XDG_CONFIG_HOME
      ? firstFile(sources, [join(XDG_CONFIG_HOME, "containers/storage.conf")])
      : null;
  return {
    conf: found?.conf ?? null,
    file: found?.file ?? null,
    driver: found?.conf.driver ?? null,
    graphRoot: found?.conf.graphRoot ?? user?.conf.graphRoot ?? ROOT_GRAPH,
    runRoot: found?.conf.runRoot ?? user?.conf.runRoot ?? ROOT_RUN,
  };
}

function rootless(sources: ConfigSources, explicit: string | undefined): Chosen {
  const { env, home } = sources;
  const userFile = join(env.XDG_CONFIG_HOME || join(home, ".config"), "containers/storage.conf");
  const user = explicit === undefined ? firstFile(sources, [userFile]) : explicitFile(sources, explicit);
  const system = explicit === undefined ? firstFile(sources, SYSTEM_FILES) : null;
  return {
    conf: user?.conf ?? null,
    file: user?.file ?? null,
    // The system file counts for these two alone, its additional stores are not inherited.
    driver: user === null ? (system?.conf.driver ?? null) : user.conf.driver,
    graphRoot:
      user?.conf.graphRoot ??
      user?.conf.rootlessStoragePath ??
      system?.conf.rootlessStoragePath ??
      join(env.XDG_DATA_HOME || join(home, ".local/share"), "containers/storage"),
    runRoot: user?.conf.runRoot ?? (env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, "containers") : null),
  };
}

interface FoundFile {
  readonly file: string;
  readonly conf: StorageConf;
}

function firstFile(sources: ConfigSources, files: readonly string[]): FoundFile | null {
  for (const file of files) {
    const text = sources.readFile(file);
    if (text !== null) return { file, conf: parseStorageConf(text, file) };
  }
  return null;
}

function explicitFile(sources: ConfigSources, file: string): FoundFile {
  const found = file === "" ? null : firstFile(sources, [file]);
  if (found !== null) return found;
  throw new CstorageError("STORE_NOT_FOUND", `storage configuration "${file}": no such file`, {
    details: { file },
    hint: "CONTAINERS_STORAGE_CONF names the only file read, even when empty; correct or unset it",
  });
}

function expandPath(path: string, sources: ConfigSources): string {
  return path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced: string | undefined, bare: string | undefined) => {
    const name = braced ?? (bare as string);
    return name === "UID" ? String(sources.uid) : (sources.env[name] ?? "");
  });
}
