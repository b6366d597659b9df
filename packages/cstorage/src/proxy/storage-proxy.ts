import { closeSync, constants, openSync } from "node:fs";
import type { ImageStorage } from "../image-storage.ts";
import type { Storage } from "../storage.ts";
import type { StoreImage } from "../store-image.ts";
import type { StoreLayer } from "../store-layer.ts";
import type { LockOptions } from "../store-lock.ts";
import type { HelperConnection } from "./connection.ts";
import { METHODS } from "./methods.ts";
import { proxiedLayer } from "./proxied-layer.ts";
import { type ImageFacts, readImageFacts, readLayerFacts } from "./records.ts";
import { listAt } from "./rpc-fields.ts";
import type { RpcFields } from "./rpc-message.ts";
import type { Helper } from "./start-helper.ts";

/**
 * A user's stores as a helper in a user namespace reads them, which may open files of all ids that belong to the user.
 * Images and layers are what {@link Storage} gives: nothing shows where they were read. Close it after use.
 *
 * @see containers-storage.md §6
 */
export class StorageProxy implements ImageStorage {
  readonly #helper: Helper;

  private constructor(helper: Helper) {
    this.#helper = helper;
  }

  /**
   * Starts a helper for the stores of `storage`, which it is handed as open directories, so that it serves them and
   * nothing else. This program is run again for it: its first statement must be {@link initIfHelper}.
   *
   * @throws CstorageError `HELPER_UNAVAILABLE`; rejects with `signal.reason`
   */
  static async spawn(
    storage: Storage,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<StorageProxy> {
    // What speaks to a helper is loaded when there is one to be.
    const { startHelper } = await import("./start-helper.ts");
    return new StorageProxy(await startHelper((connection) => openStores(connection, storage), options.signal));
  }

  /** @internal Over a connection that stands, to a helper that serves nothing yet. */
  static async connect(connection: HelperConnection, storage: Storage): Promise<StorageProxy> {
    await openStores(connection, storage);
    return new StorageProxy({ connection, stop: () => connection.close() });
  }

  async images(options: LockOptions = {}): Promise<StoreImage[]> {
    const { result } = await this.#request(METHODS.listImages, {}, options);
    return listAt(result, "images", readImageFacts).map((facts) => this.#image(facts));
  }

  async find(reference: string, options: LockOptions = {}): Promise<StoreImage> {
    const { result } = await this.#request(METHODS.getImage, { image_ref: reference }, options);
    return this.#image(readImageFacts(result));
  }

  async layer(id: string, options: LockOptions = {}): Promise<StoreLayer> {
    const { result } = await this.#request(METHODS.getLayer, { layer_id: id }, options);
    return proxiedLayer(this.#helper.connection, readLayerFacts(result));
  }

  /** A layer that was looked up without the helper, to be read by it. */
  through(layer: StoreLayer): StoreLayer {
    return proxiedLayer(this.#helper.connection, layer);
  }

  /** Ends the helper. */
  async close(): Promise<void> {
    await this.#helper.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #image({ id, names, digest, root }: ImageFacts): StoreImage {
    const params = { image_id: id, root };
    return {
      id,
      names,
      digest,
      root,
      manifest: async (options = {}) => (await this.#request(METHODS.getManifest, params, options)).payload,
      config: async (options = {}) => (await this.#request(METHODS.getConfig, params, options)).payload,
      layers: async (options = {}) => {
        const { result } = await this.#request(METHODS.getLayers, params, options);
        return listAt(result, "layers", readLayerFacts).map((facts) => proxiedLayer(this.#helper.connection, facts));
      },
    };
  }

  #request(method: string, params: RpcFields, { signal, lockTimeoutMs }: LockOptions) {
    const limit = lockTimeoutMs === undefined ? {} : { lock_timeout_ms: lockTimeoutMs };
    return this.#helper.connection.request(method, { ...params, ...limit }, { signal });
  }
}

/** Directories, not paths: a user namespace may come with mounts of its own. */
async function openStores(connection: HelperConnection, { stores }: Storage): Promise<void> {
  const fds: number[] = [];
  try {
    for (const { root } of stores) fds.push(openSync(root, constants.O_RDONLY | constants.O_DIRECTORY));
    const roots = stores.map(({ root, role, imagesFd }) => ({ root, role, split: imagesFd === null }));
    await connection.request(METHODS.openStores, { stores: roots }, { fds });
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}
