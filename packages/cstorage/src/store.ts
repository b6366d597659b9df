import { closeSync, constants, existsSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { CstorageError } from "./errors.ts";
import { type ImageRecord, parseImageRecords } from "./image-records.ts";
import { type IndexSnapshot, readIndex } from "./index-file.ts";
import { type LayerRecord, parseLayerRecords } from "./layer-records.ts";
import { openDirectory, permissionDenied } from "./open-beneath.ts";
import { type LockOptions, lockShared, type StoreLock } from "./store-lock.ts";

/** Part a root plays: where containers and images are, the images of a split store, or read-only images. */
export type StoreRole = "primary" | "imagestore" | "additional";

/** What {@link Store.open} may be told. */
export interface OpenStoreOptions {
  /** The images may lie in another root; default false. */
  readonly split?: boolean;
  /** The store whose lock guards the layers of this one: podman keeps one lock for both roots of a split store. */
  readonly lockedBy?: Store | undefined;
  /** The graph root itself, opened by the caller, who closes it; then the path only serves messages. */
  readonly rootFd?: number | undefined;
}

/** An index under its lock. */
export interface LockedIndex<T> {
  readonly lock: StoreLock;
  readonly index: IndexSnapshot<T>;
}

/** One graph root with driver `overlay`, its directories held open. Nothing is ever written below it. */
export class Store {
  /** Path of the graph root. */
  readonly root: string;
  readonly role: StoreRole;
  readonly overlayFd: number;
  readonly layersFd: number;
  /** Null in the graph root of a split store, whose images lie elsewhere. */
  readonly imagesFd: number | null;
  #images: IndexSnapshot<ImageRecord> | null = null;
  #layers: IndexSnapshot<LayerRecord> | null = null;
  readonly #lockedBy: Store;
  #open = true;

  private constructor(root: string, role: StoreRole, fds: StoreDirectories, lockedBy: Store | undefined) {
    this.root = root;
    this.role = role;
    this.overlayFd = fds.overlay;
    this.layersFd = fds.layers;
    this.imagesFd = fds.images;
    this.#lockedBy = lockedBy ?? this;
  }

  /**
   * Opens a graph root.
   *
   * @returns null when `root` holds no store
   * @throws CstorageError `UNSUPPORTED_DRIVER` a store of another driver; `PERMISSION_DENIED`
   */
  static open(root: string, role: StoreRole, options: OpenStoreOptions = {}): Store | null {
    const rootFd = options.rootFd ?? openRoot(root);
    if (rootFd === null) return null;
    const fds: number[] = [];
    const open = (name: string): number | null => {
      const fd = openDirectory(rootFd, name, join(root, name));
      if (fd !== null) fds.push(fd);
      return fd;
    };
    let store: Store | null = null;
    try {
      const [overlay, layers, images] = [open("overlay"), open("overlay-layers"), open("overlay-images")];
      if (overlay !== null && layers !== null && (images !== null || options.split)) {
        store = new Store(root, role, { overlay, layers, images }, options.lockedBy);
      } else {
        refuseOtherDriver(rootFd, root);
      }
      return store;
    } finally {
      if (options.rootFd === undefined) closeSync(rootFd);
      if (store === null) for (const fd of fds) closeSync(fd);
    }
  }

  /** Takes the shared lock on the images and reads their index. The caller closes the lock. */
  async lockImages(options: LockOptions = {}): Promise<LockedIndex<ImageRecord>> {
    this.#checkOpen();
    const { imagesFd } = this;
    if (imagesFd === null) {
      return {
        lock: { token: Buffer.alloc(0), close: () => undefined },
        index: { records: [], version: "" },
      };
    }
    const lock = await lockShared(imagesFd, "images.lock", join(this.root, "overlay-images/images.lock"), options);
    const shown = join(this.root, "overlay-images/images.json");
    return this.#underLock(lock, () => {
      const file = { dirFd: imagesFd, name: "images.json", shown, parse: parseImageRecords };
      this.#images = readIndex(file, lock.token, this.#images);
      return this.#images;
    });
  }

  /** Takes the shared lock on the layers and reads their index. The caller closes the lock. */
  async lockLayers(options: LockOptions = {}): Promise<LockedIndex<LayerRecord>> {
    this.#checkOpen();
    const { layersFd } = this;
    const keeper = this.#lockedBy;
    keeper.#checkOpen();
    const lockFile = join(keeper.root, "overlay-layers/layers.lock");
    const lock = await lockShared(keeper.layersFd, "layers.lock", lockFile, options);
    const shown = join(this.root, "overlay-layers/layers.json");
    return this.#underLock(lock, () => {
      const file = { dirFd: layersFd, name: "layers.json", shown, parse: parseLayerRecords };
      this.#layers = readIndex(file, lock.token, this.#layers);
      return this.#layers;
    });
  }

  /** The images as they are now. */
  async readImages(options: LockOptions = {}): Promise<readonly ImageRecord[]> {
    const { lock, index } = await this.lockImages(options);
    lock.close();
    return index.records;
  }

  /** The layers as they are now, unfinished ones left out. */
  async readLayers(options: LockOptions = {}): Promise<readonly LayerRecord[]> {
    const { lock, index } = await this.lockLayers(options);
    lock.close();
    return index.records.filter((layer) => !layer.incomplete);
  }

  /** Lets go of the directories; harmless when repeated. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    for (const fd of [this.overlayFd, this.layersFd, this.imagesFd]) if (fd !== null) closeSync(fd);
  }

  #underLock<T>(lock: StoreLock, read: () => IndexSnapshot<T>): LockedIndex<T> {
    try {
      // The wait for the lock may have outlasted the store: its descriptors could be other files by now.
      this.#checkOpen();
      return { lock, index: read() };
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  #checkOpen(): void {
    if (!this.#open) throw new Error(`${this.root}: the storage is closed`);
  }
}

interface StoreDirectories {
  readonly overlay: number;
  readonly layers: number;
  readonly images: number | null;
}

function openRoot(root: string): number | null {
  try {
    return openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    if (code === "EACCES" || code === "EPERM") throw permissionDenied(root, error);
    throw error;
  }
}

function refuseOtherDriver(rootFd: number, root: string): void {
  const here = `/proc/self/fd/${rootFd}`;
  const drivers = (existsSync(here) ? readdirSync(here) : [])
    .map((name) => /^(.+)-images$/.exec(name)?.[1])
    .filter((driver) => driver !== undefined && driver !== "overlay");
  if (drivers.length === 0) return;
  throw new CstorageError("UNSUPPORTED_DRIVER", `${root}: expected driver overlay, found ${drivers.join(", ")}`, {
    details: { root, drivers },
    hint: "copy the image out with skopeo, for instance to an oci: directory, and import that",
  });
}
