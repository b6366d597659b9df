import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { env as processEnv } from "node:process";
import { imageStoresOfOptions } from "./driver-options.ts";
import { CstorageError } from "./errors.ts";
import { type ImageReference, parseImageReference } from "./image-reference.ts";
import { permissionDenied } from "./open-beneath.ts";
import { realPath } from "./real-path.ts";
import { Storage } from "./storage.ts";
import { Store } from "./store.ts";
import { fallbackRoots, resolveStoreConfig, type StoreConfig } from "./store-config.ts";

/** Where to look for storage; with nothing given, where podman would. */
export interface StoreSearch {
  /** Graph root, instead of any configuration. */
  readonly root?: string | undefined;
  /** Run root that goes with `root`. Readers need nothing from it; it is here for callers that pass podman's settings on. */
  readonly runRoot?: string | undefined;
  /** Configuration file, instead of `CONTAINERS_STORAGE_ROOT`, `CONTAINERS_STORAGE_CONF` and the usual places. */
  readonly conf?: string | undefined;
  /** Roots of additional image stores, searched after the primary one and before those of the configuration. */
  readonly additional?: readonly string[] | undefined;
  /** A reference whose `[store]` prefix, if it has one, replaces discovery. */
  readonly reference?: string | ImageReference | undefined;
  /** Default: the process's environment. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** User whose storage is meant, 0 for the real root. Default: the process's, as seen outside its user namespace. */
  readonly uid?: number | undefined;
}

/**
 * Opens the stores of the user; containers-storage.md §1.1. Order: `root`, the reference's own store, `conf`,
 * `CONTAINERS_STORAGE_ROOT`, the configuration podman would read; where the root that this last one names holds no
 * store, the usual other places.
 *
 * @throws CstorageError `STORE_NOT_FOUND` (`details.tried`), `UNSUPPORTED_DRIVER`, `STORE_CORRUPT`, `PERMISSION_DENIED`,
 *   `REF_INVALID`
 */
export async function discoverStores(search: StoreSearch = {}): Promise<Storage> {
  const opened: Store[] = [];
  try {
    const warnings = openStores(chooseRoots(search), opened);
    return new Storage(opened, warnings);
  } catch (error) {
    for (const store of opened) store.close();
    throw error;
  }
}

interface Roots {
  readonly primary: string;
  readonly driver: string | null;
  readonly imageStore: string | null;
  readonly additional: readonly string[];
  /** Other roots for a primary one that holds no store. */
  readonly fallback: readonly string[];
}

function chooseRoots(search: StoreSearch): Roots {
  const env = search.env ?? processEnv;
  const { additional = [] } = search;
  const fixed = { driver: null, imageStore: null, fallback: [] };
  const reference = typeof search.reference === "string" ? parseImageReference(search.reference) : search.reference;
  const named = reference?.store ?? null;
  if (search.root !== undefined) return { ...fixed, primary: search.root, additional };
  if (named !== null) {
    const stores = imageStoresOfOptions(named.options);
    return { ...fixed, driver: named.driver, primary: named.graphRoot, additional: [...additional, ...stores] };
  }
  if (search.conf === undefined && env.CONTAINERS_STORAGE_ROOT) {
    const stores = imageStoresOfOptions((env.STORAGE_OPTS ?? "").split(","));
    return { ...fixed, primary: env.CONTAINERS_STORAGE_ROOT, additional: [...additional, ...stores] };
  }
  const home = env.HOME || homedir();
  const config = resolveStoreConfig({ readFile, env, home, uid: search.uid ?? realUid(), conf: search.conf });
  return rootsOfConfig(config, additional, search.conf === undefined ? fallbackRoots({ env, home }) : []);
}

function rootsOfConfig(config: StoreConfig, additional: readonly string[], fallback: readonly string[]): Roots {
  const { driver, graphRoot, imageStore, additionalImageStores } = config;
  return {
    primary: graphRoot,
    driver,
    imageStore,
    additional: [...additional, ...additionalImageStores],
    fallback,
  };
}

function openStores(roots: Roots, opened: Store[]): readonly string[] {
  const warnings: string[] = [];
  const seen = new Set<string>();
  const tryOpen = (path: string, open: (root: string) => Store | null): boolean => {
    const root = realPath(path);
    if (seen.has(root)) return true;
    const store = open(root);
    if (store === null) return false;
    seen.add(root);
    opened.push(store);
    return true;
  };
  // Roots nobody asked for by name may be unreadable or of another driver without spoiling the others.
  const leniently = (path: string, attempt: () => boolean): boolean => {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof CstorageError)) throw error;
      warnings.push(`store ${path}: ${error.message}, passed over`);
      return true;
    }
  };
  const split = roots.imageStore !== null;
  const driver = roots.driver === "overlay2" ? "overlay" : roots.driver;
  if (!tryOpen(roots.primary, (root) => openPrimary(root, driver, split))) {
    for (const path of roots.fallback) {
      const role = opened.length === 0 ? "primary" : "additional";
      leniently(path, () => tryOpen(path, (root) => Store.open(root, role)));
    }
    if (opened.length === 0) throw storeNotFound([roots.primary, ...roots.fallback], warnings);
  }
  const { imageStore } = roots;
  if (imageStore !== null && !tryOpen(imageStore, (root) => Store.open(root, "imagestore", { lockedBy: opened[0] }))) {
    warnings.push(`image store ${imageStore}: no store there, passed over`);
  }
  for (const path of roots.additional) {
    if (!leniently(path, () => tryOpen(path, (root) => Store.open(root, "additional")))) {
      warnings.push(`additional image store ${path}: no store there, passed over`);
    }
  }
  return warnings;
}

function openPrimary(root: string, driver: string | null, split: boolean): Store | null {
  const store = Store.open(root, "primary", { split });
  if (store === null || driver === null || driver === "overlay") return store;
  store.close();
  throw new CstorageError("UNSUPPORTED_DRIVER", `${root}: expected driver overlay, found ${driver} configured`, {
    details: { root, drivers: [driver] },
    hint: "set STORAGE_DRIVER=overlay if this store is to be read with overlay",
  });
}

function storeNotFound(tried: readonly string[], warnings: readonly string[]): CstorageError {
  const distinct = [...new Set(tried)];
  return new CstorageError("STORE_NOT_FOUND", `no containers-storage found; tried ${distinct.join(", ")}`, {
    details: { tried: distinct, warnings },
    hint: "name the graph root (`podman info` shows it), for instance in CONTAINERS_STORAGE_ROOT",
  });
}

function readFile(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    if (code === "EACCES" || code === "EPERM") throw permissionDenied(path, error);
    throw error;
  }
}

/** The user's id outside any user namespace whose root the process plays, as inside `podman unshare`. */
function realUid(): number {
  const uid = process.getuid?.() ?? 0;
  const map = readFile("/proc/self/uid_map") ?? "";
  for (const line of map.split("\n")) {
    const [inside, outside, count] = line.trim().split(/\s+/).map(Number);
    if (inside === undefined || outside === undefined || count === undefined) continue;
    if (uid >= inside && uid < inside + count) return outside + uid - inside;
  }
  return uid;
}
