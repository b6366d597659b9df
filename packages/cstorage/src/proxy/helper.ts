import { closeSync } from "node:fs";
import { MAX_MESSAGE_FDS } from "@composefs/reflink";
import { type FdMessage, type FdSocket, SplitfdstreamError } from "@composefs/splitfdstream";
import { CstorageError } from "../errors.ts";
import { Storage } from "../storage.ts";
import { Store } from "../store.ts";
import type { StoreImage } from "../store-image.ts";
import type { LockOptions } from "../store-lock.ts";
import { METHODS, STREAM } from "./methods.ts";
import { imageFacts, layerFacts, readServedRoot, type ServedRoot } from "./records.ts";
import { encodeError, RPC_CODES } from "./rpc-error.ts";
import { integerAt, listAt, stringAt } from "./rpc-fields.ts";
import { decodeRpc, encodeRpc, protocolError, type RpcFields, type RpcMessage } from "./rpc-message.ts";
import { SendWindow } from "./send-window.ts";
import { streamLayer } from "./stream-layer.ts";

/** Requests answered at once; a pull has a few. */
const MAX_RUNNING = 1024;

/** What a method gives back. */
interface Answer {
  readonly result: RpcFields;
  readonly payload?: Uint8Array;
}
type Request = Extract<RpcMessage, { kind: "request" }>;

/**
 * Serves the stores that the other end of `socket` names, until it ends the connection. Whatever it asks for lies
 * beneath the directories it handed over, is opened read-only, and is of the overlay driver's own structure or listed in
 * a layer's tar-split: no method takes a path.
 *
 * @throws CstorageError `HELPER_PROTOCOL` the other end does not keep to the protocol
 * @see containers-storage.md §6
 */
export async function serveStores(socket: FdSocket): Promise<void> {
  const helper = new Helper(socket);
  try {
    for await (const message of socket.messages()) if (helper.take(message)) break;
  } catch (error) {
    // Whoever is killed says no goodbye.
    if (!(error instanceof SplitfdstreamError) || error.code === "MESSAGE_INVALID") throw error;
  } finally {
    socket.close();
    await helper.close();
  }
}

class Helper {
  readonly #socket: FdSocket;
  readonly #streams = new Map<number, SendWindow>();
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #storage: Storage | null = null;

  constructor(socket: FdSocket) {
    this.#socket = socket;
  }

  /** Begins what a message asks for. Returns true when no more shall be served. */
  take({ data, fds }: FdMessage): boolean {
    try {
      const { message } = decodeRpc(data);
      if (message.kind === "request" && message.method === METHODS.openStores) {
        this.#openStores(message, fds);
        return false;
      }
      if (fds.length > 0) throw protocolError("descriptors that no method takes");
      if (message.kind === "notification") return this.#notified(message.method, message.params);
      if (message.kind !== "request") throw protocolError("an answer to no question");
      this.#begin(message);
      return false;
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  }

  /** Ends what is under way and lets go of the stores. */
  async close(): Promise<void> {
    this.#closing.abort(new Error("the connection has ended"));
    for (const window of this.#streams.values()) window.cancel();
    await Promise.all(this.#running);
    await this.#storage?.close();
  }

  #openStores({ id, params }: Request, fds: readonly number[]): void {
    if (this.#storage !== null) throw protocolError("stores a second time");
    const roots = listAt(params, "stores", readServedRoot);
    if (roots.length === 0 || roots.length !== fds.length) {
      throw protocolError(`${fds.length} directories for ${roots.length} stores`);
    }
    this.#run(id, async () => {
      this.#storage = new Storage(openRoots(roots, fds), []);
      return { result: {} };
    });
  }

  #notified(method: string, params: RpcFields): boolean {
    if (method === METHODS.shutdown) return true;
    const window = this.#streams.get(integerAt(params, "stream", 0));
    // A stream that has ended meanwhile needs neither.
    if (method === STREAM.ack) window?.grant();
    else if (method === STREAM.cancel) window?.cancel();
    else throw protocolError(`the notification "${method.slice(0, 64)}"`);
    return false;
  }

  #begin(request: Request): void {
    if (this.#running.size >= MAX_RUNNING) throw protocolError(`more than ${MAX_RUNNING} requests at once`);
    const storage = this.#storage;
    if (storage === null) throw protocolError("a request before any store");
    this.#run(request.id, () => this.#answer(storage, request));
  }

  #run(id: number, work: () => Promise<Answer>): void {
    // Begun at once: the descriptors of a message are closed as soon as it has been taken.
    const answered = work().then(
      ({ result, payload }) => this.#send({ kind: "result", id, result }, payload),
      (error: unknown) => this.#send({ kind: "error", id, error: encodeError(error) }),
    );
    const ended = answered.finally(() => this.#running.delete(ended));
    this.#running.add(ended);
  }

  async #answer(storage: Storage, request: Request): Promise<Answer> {
    const { id, method, params } = request;
    const locks = { ...lockOptions(params), signal: this.#closing.signal };
    switch (method) {
      case METHODS.listImages:
        return { result: { images: (await storage.images(locks)).map(imageFacts) } };
      case METHODS.getImage:
        return { result: { ...imageFacts(await storage.find(stringAt(params, "image_ref"), locks)) } };
      case METHODS.getManifest:
        return { result: {}, payload: await (await findImage(storage, params, locks)).manifest(locks) };
      case METHODS.getConfig:
        return { result: {}, payload: await (await findImage(storage, params, locks)).config(locks) };
      case METHODS.getLayers:
        return { result: { layers: (await (await findImage(storage, params, locks)).layers(locks)).map(layerFacts) } };
      case METHODS.getLayer:
        return { result: { ...layerFacts(await storage.layer(stringAt(params, "layer_id"), locks)) } };
      case METHODS.streamLayer:
        return { result: await this.#stream(storage, id, params, locks) };
      default:
        throw new CstorageError("HELPER_RPC", `no method "${method.slice(0, 64)}"`, {
          details: { code: RPC_CODES.unknownMethod },
        });
    }
  }

  async #stream(storage: Storage, id: number, params: RpcFields, locks: LockOptions): Promise<RpcFields> {
    if (this.#streams.has(id)) throw protocolError("a stream with the id of another");
    const window = new SendWindow(integerAt(params, "window", 1, 1024));
    this.#streams.set(id, window);
    try {
      const layer = {
        id: stringAt(params, "layer_id"),
        diffId: stringAt(params, "diff_id"),
        maxFiles: integerAt(params, "max_files", 1, MAX_MESSAGE_FDS),
      };
      return await streamLayer(storage, layer, { ...locks, signal: window.signal }, window, (method, fields, more) =>
        this.#socket.send(
          encodeRpc({ kind: "notification", method, params: { stream: id, ...fields } }, more?.payload),
          more?.fds,
        ),
      );
    } finally {
      this.#streams.delete(id);
    }
  }

  /** Whoever asked may be gone; the end of the connection tells. */
  async #send(message: RpcMessage, payload?: Uint8Array): Promise<void> {
    try {
      await this.#socket.send(encodeRpc(message, payload));
    } catch {
      this.#socket.close();
    }
  }
}

/** @param fds the directories themselves, closed by the caller */
function openRoots(roots: readonly ServedRoot[], fds: readonly number[]): readonly Store[] {
  const stores: Store[] = [];
  try {
    for (const [i, { root, role, split }] of roots.entries()) {
      const lockedBy = role === "imagestore" ? stores[0] : undefined;
      const store = Store.open(root, role, { split, lockedBy, rootFd: fds[i] });
      if (store === null) throw new CstorageError("STORE_NOT_FOUND", `${root}: no store there`, { details: { root } });
      stores.push(store);
    }
    return stores;
  } catch (error) {
    for (const store of stores) store.close();
    throw error;
  }
}

function lockOptions(params: RpcFields): LockOptions {
  return params.lock_timeout_ms === undefined ? {} : { lockTimeoutMs: integerAt(params, "lock_timeout_ms", 0) };
}

/** By its id alone: names may have moved on. @throws CstorageError `STORE_IMAGE_NOT_FOUND` */
async function findImage(storage: Storage, params: RpcFields, locks: LockOptions): Promise<StoreImage> {
  const [id, root] = [stringAt(params, "image_id"), stringAt(params, "root")];
  const image = (await storage.images(locks)).find((candidate) => candidate.id === id && candidate.root === root);
  if (image !== undefined) return image;
  throw new CstorageError("STORE_IMAGE_NOT_FOUND", `image ${id}: not in ${root}`, { details: { image: id, root } });
}
