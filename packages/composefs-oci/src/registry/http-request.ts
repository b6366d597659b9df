import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Connections } from "./connections.ts";
import { IdleClock } from "./idle-clock.ts";

/** More header bytes than any registry sends. */
const MAX_HEADER_BYTES = 64 * 1024;

/** Bodies up to this length are read to their end when nobody wants them. */
const SHORT_BYTES = 16 * 1024;

/** A single HTTP request, with nothing done on its behalf: no redirects, no retries. */
export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes, or a stream of unknown length that is read once. */
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** Without a byte in either direction for so many milliseconds the request fails. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/** An answer, as soon as its headers are there. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What answered. */
  readonly url: URL;
  /** The body, to be read once; ending early drops the connection. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Lets go of the body without reading it to its end. */
  discard(): void;
}

/** The other side was silent for too long. */
class IdleError extends Error {
  override readonly name = "IdleError";
  readonly code = "ETIMEDOUT";

  constructor(idleMs: number) {
    super(`nothing came for ${idleMs} ms`);
  }
}

/** A body's own failure, as opposed to one of the network. */
export class BodyError extends Error {
  override readonly name = "BodyError";
}

/**
 * Sends a request and waits for the headers of the answer.
 *
 * @throws BodyError what the body's iteration threw, as `cause`; {@link IdleError}; the signal's reason; errors of
 *   node:http as they come
 */
export function sendHttp(connections: Connections, request: HttpRequest): Promise<HttpResponse> {
  const { method, url, body, idleMs, signal } = request;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const streamed = body !== undefined && !(body instanceof Uint8Array);
    const route = connections.route(url, streamed);
    const length = body instanceof Uint8Array ? { "content-length": body.length } : {};
    const outgoing = route.send({
      ...route.options,
      method,
      headers: { ...request.headers, ...route.headers, ...length },
      maxHeaderSize: MAX_HEADER_BYTES,
      signal,
    });
    const clock = new IdleClock(idleMs, () => outgoing.destroy(new IdleError(idleMs)));
    clock.start();
    const settled = new AbortController();
    const settle = (): void => {
      clock.stop();
      settled.abort();
    };
    outgoing.once("response", (incoming: IncomingMessage) => {
      settle();
      resolve(new Response(incoming, request));
    });
    // Stays for good: a connection may also break behind the answer's back.
    outgoing.on("error", (error) => {
      settle();
      reject(signal.aborted ? signal.reason : error);
    });
    if (!streamed) outgoing.end(body);
    else {
      writeBody(outgoing, body, settled.signal, clock).catch((error) => {
        settle();
        reject(error);
        outgoing.destroy();
      });
    }
  });
}

/** Writes until the body ends or `settled` says that nobody is reading any more. */
async function writeBody(
  outgoing: ClientRequest,
  body: AsyncIterable<Uint8Array>,
  settled: AbortSignal,
  clock: IdleClock,
): Promise<void> {
  clock.pause();
  for await (const piece of guarded(body)) {
    if (settled.aborted) return;
    clock.start();
    if (!outgoing.write(piece)) await drained(outgoing, settled);
    clock.pause();
  }
  if (settled.aborted) return;
  clock.start();
  outgoing.end();
}

async function* guarded(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new BodyError("the content cannot be read", { cause });
  }
}

function drained(outgoing: ClientRequest, settled: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done);
      outgoing.off("close", done);
      settled.removeEventListener("abort", done);
      resolve();
    };
    outgoing.once("drain", done);
    outgoing.once("close", done);
    settled.addEventListener("abort", done, { once: true });
    if (settled.aborted) done();
  });
}

class Response implements HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  readonly #incoming: IncomingMessage;
  readonly #request: HttpRequest;

  constructor(incoming: IncomingMessage, request: HttpRequest) {
    this.status = incoming.statusCode ?? 0;
    this.headers = incoming.headers;
    this.url = request.url;
    this.#incoming = incoming;
    this.#request = request;
    // Told to whoever reads; without a reader it concerns nobody.
    incoming.on("error", () => undefined);
  }

  get body(): AsyncIterable<Uint8Array> {
    return this.#read();
  }

  discard(): void {
    const length = this.#request.method === "HEAD" ? 0 : Number(this.headers["content-length"] ?? Number.NaN);
    // A short rest is cheaper to read than a new connection is to make.
    if (length <= SHORT_BYTES) this.#incoming.resume();
    else this.#incoming.destroy();
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    const { idleMs, signal } = this.#request;
    const clock = new IdleClock(idleMs, () => this.#incoming.destroy(new IdleError(idleMs)));
    const pieces = this.#incoming[Symbol.asyncIterator]();
    let ended = false;
    try {
      for (;;) {
        clock.start();
        const next = await pieces.next();
        clock.pause();
        signal.throwIfAborted();
        ended = next.done === true;
        if (ended) return;
        yield next.value as Uint8Array;
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      clock.stop();
      if (!ended) this.#incoming.destroy();
    }
  }
}
