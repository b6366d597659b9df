import type { FdMessage, FdSocket } from "@composefs/splitfdstream";
import { CstorageError } from "../errors.ts";
import { decodeRun } from "./layer-payload.ts";
import { closeAll, LayerStream } from "./layer-stream.ts";
import { METHODS, STREAM } from "./methods.ts";
import { decodeError } from "./rpc-error.ts";
import { integerAt } from "./rpc-fields.ts";
import { decodeRpc, encodeRpc, protocolError, type RpcFields, type RpcMessage } from "./rpc-message.ts";

/** What a request came back with. */
export interface RpcAnswer {
  readonly result: RpcFields;
  readonly payload: Uint8Array;
}

/** A layer to stream. */
export interface LayerRequest {
  readonly id: string;
  readonly diffId: string;
  /** Most runs under way. */
  readonly window: number;
  /** Most files of a run. */
  readonly maxFiles: number;
  readonly lockTimeoutMs?: number | undefined;
}

interface Pending {
  settle(answer: RpcAnswer): void;
  fail(error: unknown): void;
}

interface OpenStream {
  readonly stream: LayerStream;
  readonly started: () => void;
}

/**
 * The pull's end of the connection to a helper: requests, answers and streams of layers. What comes is not trusted; the
 * first message that does not fit ends everything that is under way with `HELPER_PROTOCOL`.
 */
export class HelperConnection {
  readonly #socket: FdSocket;
  readonly #pending = new Map<number, Pending>();
  readonly #streams = new Map<number, OpenStream>();
  readonly #reading: Promise<void>;
  readonly #howItEnded: () => Promise<string>;
  #nextId = 0;
  #failure: unknown = null;

  /** @param howItEnded says in words how the helper ended, once its end of the connection is closed */
  constructor(socket: FdSocket, howItEnded: () => Promise<string>) {
    this.#socket = socket;
    this.#howItEnded = howItEnded;
    this.#reading = this.#read();
  }

  /**
   * Asks and waits for the answer.
   *
   * @throws CstorageError what the helper met; `HELPER_PROTOCOL`; KernelError; rejects with `signal.reason`
   */
  async request(
    method: string,
    params: RpcFields,
    options: { readonly fds?: readonly number[]; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<RpcAnswer> {
    const { signal } = options;
    signal?.throwIfAborted();
    const id = this.#nextId++;
    const answer = this.#expect(id);
    answer.catch(() => undefined);
    await this.#send({ kind: "request", id, method, params }, options.fds);
    return signal === undefined ? answer : await orAborted(answer, signal);
  }

  /**
   * Has a layer locked, opened and streamed.
   *
   * @returns its id, to be given to {@link HelperConnection.done} and {@link HelperConnection.cancel}, and its runs
   * @throws CstorageError as for {@link HelperConnection.request}
   */
  async stream(layer: LayerRequest, signal?: AbortSignal): Promise<{ id: number; runs: LayerStream }> {
    signal?.throwIfAborted();
    const id = this.#nextId++;
    const runs = new LayerStream(layer.window);
    const started = new Promise<void>((resolve) => {
      this.#streams.set(id, { stream: runs, started: resolve });
    });
    const answer = this.#expect(id).then(({ result }) =>
      runs.end({ runs: integerAt(result, "runs", runs.delivered, runs.delivered) }),
    );
    const ended = answer.catch((error: unknown) => runs.end({ error })).finally(() => this.#streams.delete(id));
    const { lockTimeoutMs } = layer;
    const params = {
      layer_id: layer.id,
      diff_id: layer.diffId,
      window: layer.window,
      max_files: layer.maxFiles,
      ...(lockTimeoutMs === undefined ? {} : { lock_timeout_ms: lockTimeoutMs }),
    };
    await this.#send({ kind: "request", id, method: METHODS.streamLayer, params });
    const begun = Promise.race([started, ended.then(() => answer)]);
    begun.catch(() => undefined);
    try {
      await (signal === undefined ? begun : orAborted(begun, signal));
    } catch (error) {
      if (!runs.ended) {
        this.cancel(id);
        await runs.abandon();
      }
      throw error;
    }
    return { id, runs };
  }

  /** Tells that a run is done with. */
  done(stream: number): void {
    this.#streams.get(stream)?.stream.done();
    this.#notify(STREAM.ack, { stream });
  }

  /** Tells that no more of a stream is wanted. */
  cancel(stream: number): void {
    this.#notify(STREAM.cancel, { stream });
  }

  /** Asks the helper to end, which it does anyway when the connection has. Fails what is still under way. */
  async close(): Promise<void> {
    if (this.#failure === null) await this.#send({ kind: "notification", method: METHODS.shutdown, params: {} });
    this.disconnect();
    await this.#reading;
  }

  /** Ends the connection at once. */
  disconnect(): void {
    this.#failure ??= new Error("the connection to the helper was closed");
    this.#socket.close();
  }

  #expect(id: number): Promise<RpcAnswer> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    return new Promise((settle, fail) => {
      this.#pending.set(id, { settle, fail });
    });
  }

  async #send(message: RpcMessage, fds?: readonly number[]): Promise<void> {
    try {
      await this.#socket.send(encodeRpc(message), fds);
    } catch {
      // Why, reading tells; it fails what is pending.
      await this.#reading;
    }
  }

  #notify(method: string, params: RpcFields): void {
    if (this.#failure !== null) return;
    const sent = this.#send({ kind: "notification", method, params });
    sent.catch(() => undefined);
  }

  async #read(): Promise<void> {
    try {
      for await (const message of this.#socket.messages()) this.#take(message);
      await this.#fail(null);
    } catch (error) {
      await this.#fail(error);
    }
  }

  #take({ data, fds }: FdMessage): void {
    let owned = fds;
    try {
      const { message, payload } = decodeRpc(data);
      if (message.kind === "notification" && message.method === STREAM.run) {
        this.#deliver(message.params, payload, fds);
        owned = [];
        return;
      }
      if (fds.length > 0) throw protocolError("descriptors that nobody asked for");
      if (message.kind === "notification" && message.method === STREAM.start) this.#stream(message.params).started();
      else if (message.kind === "result") this.#settled(message.id).settle({ result: message.result, payload });
      else if (message.kind === "error") this.#settled(message.id).fail(decodeError(message.error));
      else throw protocolError(`the ${message.kind} "${message.method.slice(0, 64)}"`);
    } finally {
      closeAll(owned);
    }
  }

  #deliver(params: RpcFields, payload: Uint8Array, fds: readonly number[]): void {
    const { stream } = this.#stream(params);
    integerAt(params, "number", stream.delivered, stream.delivered);
    stream.deliver({ ...decodeRun(payload, fds.length, stream.nextFile), fds });
  }

  #stream(params: RpcFields): OpenStream {
    const stream = this.#streams.get(integerAt(params, "stream", 0));
    if (stream === undefined) throw protocolError("a run of no stream");
    return stream;
  }

  #settled(id: number): Pending {
    const pending = this.#pending.get(id);
    if (pending === undefined) throw protocolError("an answer to no question");
    this.#pending.delete(id);
    return pending;
  }

  /** @param error null: the helper ended the connection */
  async #fail(error: unknown): Promise<void> {
    this.#socket.close();
    const failure = this.#failure ?? (await this.#describe(error));
    this.#failure = failure;
    for (const pending of this.#pending.values()) pending.fail(failure);
    this.#pending.clear();
  }

  async #describe(error: unknown): Promise<unknown> {
    if (error instanceof CstorageError) return error;
    const code = (error as { code?: unknown } | null)?.code;
    if (error !== null && code !== "CONNECTION_ENDED" && code !== "TRUNCATED") {
      return code === "MESSAGE_INVALID" ? protocolError((error as Error).message, error) : error;
    }
    const how = await this.#howItEnded();
    return new CstorageError("HELPER_PROTOCOL", `the helper ended in the middle of its work (${how})`, {
      details: { found: "end of the connection", helper: how },
      cause: error ?? undefined,
    });
  }
}

async function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([answer, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort as () => void);
  }
}
