import { setTimeout as sleep } from "node:timers/promises";
import { OciError } from "../errors.ts";
import type { ProgressListener } from "../progress.ts";
import { Authorizer } from "./authorizer.ts";
import { connectionError, isPassing, isPassingStatus } from "./connection-error.ts";
import { Connections } from "./connections.ts";
import { findCredentials } from "./credentials.ts";
import type { Endpoint } from "./endpoints.ts";
import type { RegistryEnvironment } from "./environment.ts";
import { BodyError, type HttpRequest, type HttpResponse, sendHttp } from "./http-request.ts";
import { readLimited } from "./limited-body.ts";
import { sendFollowing } from "./redirects.ts";
import { DOCKER_HUB } from "./reference.ts";
import { responseError, shownUrl } from "./response-error.ts";
import { backoffMs, retryAfterMs, type Timing } from "./timing.ts";
import { tlsContext } from "./tls-settings.ts";
import { parseToken, type Token, type TokenHttp } from "./token.ts";

/** How a client is set up. */
export interface ClientOptions {
  readonly endpoint: Endpoint;
  /** What credentials are asked for. */
  readonly actions: "pull" | "pull,push";
  readonly environment: RegistryEnvironment;
  readonly timing: Timing;
  /** Told of long waits. */
  readonly onProgress: ProgressListener | undefined;
}

/** A request to a repository. */
export interface ClientRequest {
  readonly method: HttpRequest["method"];
  /** Beneath `/v2/NAME/`, or a URL that the registry gave. */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is sent once only: without retries, and not again after a challenge. */
  readonly body?: HttpRequest["body"];
  /** Where the answer may take longer than usual, or is not worth waiting for. */
  readonly idleMs?: number;
  /** Where trying again is not worth it. */
  readonly attempts?: number;
  /** Answers that are handed back; all others are errors. */
  readonly expect: readonly number[];
  /** What the request is for; begins messages, after the repository. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
}

/** The host that docker.io's API is at. */
const DOCKER_HUB_API = "registry-1.docker.io";
const MAX_TOKEN_BYTES = 1024 * 1024;
/** Shorter waits are not worth a word. */
const MIN_NOTED_MS = 1_000;
/** A port that drops packets must not hold up the fallback to plain HTTP. */
const MAX_PROBE_MS = 10_000;

/** Requests to one repository of one registry, with what they have in common: connections, credentials, retries. */
export class RegistryClient {
  /** The repository, for messages. */
  readonly name: string;
  readonly timing: Timing;
  readonly #options: ClientOptions;
  readonly #connections: Connections;
  readonly #authorizer: Authorizer;
  #origin: Promise<string> | null = null;
  /** Hosts that gave an answer. */
  readonly #known = new Set<string>();

  private constructor(options: ClientOptions, connections: Connections) {
    const { host, repository } = options.endpoint;
    this.#options = options;
    this.#connections = connections;
    this.name = `docker://${host}/${repository}`;
    this.timing = options.timing;
    this.#authorizer = new Authorizer({
      scope: `repository:${repository}:${options.actions}`,
      what: this.name,
      findCredentials: () => findCredentials(options.environment, host, repository, connections.signal(undefined)),
      fetchToken: (request) => this.#fetchToken(request),
    });
  }

  /** @throws OciError `REGISTRY_CONFIG_INVALID` certificates that are none */
  static async open(options: ClientOptions): Promise<RegistryClient> {
    const { host, insecure } = options.endpoint;
    const secureContext = await tlsContext(options.environment, host);
    return new RegistryClient(options, new Connections({ secureContext, insecure, env: options.environment.env }));
  }

  /** Whether plain HTTP will do. */
  get plain(): boolean {
    return this.#options.endpoint.insecure;
  }

  /**
   * Sends a request; answers a challenge, waits and tries again where that may help.
   *
   * @throws OciError `AUTH_FAILED`; `SOURCE_NOT_FOUND`; `TRANSPORT`; what reading the body threw; the signal's reason
   */
  async request(request: ClientRequest): Promise<HttpResponse> {
    const signal = this.#connections.signal(request.signal);
    const what = `${this.name}: ${request.what}`;
    const origin = await untilAborted(this.#findOrigin(), signal);
    const { repository, host } = this.#options.endpoint;
    const url = request.path instanceof URL ? request.path : new URL(`${origin}/v2/${repository}/${request.path}`);
    const { method, body, headers = {}, idleMs = this.timing.idleMs, attempts = this.timing.attempts } = request;
    const http = { method, url, headers, body, idleMs, signal };
    const send = (): Promise<HttpResponse> => this.#sendAuthorized(http, origin);
    const once = body !== undefined && !(body instanceof Uint8Array);
    const response = await this.#retry(send, url, what, signal, once ? 1 : attempts);
    if (request.expect.includes(response.status)) return response;
    const helperFailure = response.status === 401 ? await this.#authorizer.helperFailure() : null;
    throw await responseError(response, { what, host, helperFailure });
  }

  /** Waits before the attempt after the `n`th failed one, which ended with `failure`. */
  async pause(n: number, failure: OciError, signal: AbortSignal | undefined): Promise<void> {
    await this.#wait(backoffMs(this.timing, n), failure.message, this.#connections.signal(signal));
  }

  /** Ends what is under way and closes all connections. */
  close(): void {
    this.#connections.close();
  }

  async #sendAuthorized(request: HttpRequest, origin: string): Promise<HttpResponse> {
    // Credentials are for the registry alone, not for where it stores its blobs.
    if (request.url.origin !== origin) return sendFollowing(this.#connections, request, this.plain);
    const used = await untilAborted(this.#authorizer.header(), request.signal);
    const response = await sendFollowing(this.#connections, withAuthorization(request, used), this.plain);
    this.#known.add(request.url.host);
    const refused = response.status === 401 && response.url.origin === origin;
    const once = request.body !== undefined && !(request.body instanceof Uint8Array);
    if (!refused || once) return response;
    const challenge = response.headers["www-authenticate"];
    const header = await untilAborted(this.#authorizer.answer(challenge, used), request.signal);
    if (header === null) return response;
    response.discard();
    return sendFollowing(this.#connections, withAuthorization(request, header), this.plain);
  }

  /** Where the registry is: by HTTPS, or if that is allowed and HTTPS is not there, by HTTP. */
  #findOrigin(): Promise<string> {
    const { host, insecure } = this.#options.endpoint;
    const authority = host === DOCKER_HUB ? DOCKER_HUB_API : host;
    const https = new URL(`https://${authority}`).origin;
    if (!insecure) return Promise.resolve(https);
    this.#origin ??= this.#probe([https, new URL(`http://${authority}`).origin]).catch((error) => {
      this.#origin = null;
      throw error;
    });
    return this.#origin;
  }

  async #probe(origins: readonly string[]): Promise<string> {
    const signal = this.#connections.signal(undefined);
    const idleMs = Math.min(this.timing.idleMs, MAX_PROBE_MS);
    let last: OciError | null = null;
    for (const origin of origins) {
      const url = new URL("/v2/", origin);
      try {
        const response = await sendHttp(this.#connections, { method: "GET", url, headers: {}, idleMs, signal });
        response.discard();
        this.#known.add(url.host);
        return origin;
      } catch (error) {
        if (signal.aborted) throw error;
        last = connectionError(error, this.name, url);
      }
    }
    throw last;
  }

  async #fetchToken({ method, url, headers, body }: TokenHttp): Promise<Token> {
    const what = `${this.name}: token`;
    const { insecure, host } = this.#options.endpoint;
    if (url.protocol !== "https:" && !(insecure && url.protocol === "http:")) {
      throw new OciError("TRANSPORT", `${what}: the registry sends for it to ${url.protocol}//, without encryption`, {
        details: { host },
        hint:
          url.protocol === "http:"
            ? `\`insecure = true\` for ${host} in registries.conf allows it`
            : "the registry's authentication is set up wrongly",
      });
    }
    const signal = this.#connections.signal(undefined);
    const request = { method, url, headers, body, idleMs: this.timing.idleMs, signal };
    const send = (): Promise<HttpResponse> => sendHttp(this.#connections, request);
    const response = await this.#retry(send, url, what, signal, this.timing.attempts);
    if (response.status !== 200) {
      throw await responseError(response, { what, host, helperFailure: await this.#authorizer.helperFailure() });
    }
    const answer = await readLimited(response.body, MAX_TOKEN_BYTES).catch((error) => {
      throw connectionError(error, what, url);
    });
    return parseToken(answer.bytes, Date.now(), what);
  }

  async #retry(
    send: () => Promise<HttpResponse>,
    url: URL,
    what: string,
    signal: AbortSignal,
    attempts: number,
  ): Promise<HttpResponse> {
    for (let n = 1; ; n++) {
      let asked: number | null = null;
      let failure: string;
      try {
        const response = await send();
        this.#known.add(url.host);
        if (n === attempts || !isPassingStatus(response.status)) return response;
        asked = retryAfterMs(response.headers["retry-after"], Date.now());
        if (asked !== null && asked > this.timing.maxRetryAfterMs) return response;
        failure = `${what}: ${shownUrl(response.url)} answered ${response.status}`;
        response.discard();
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof BodyError) throw error.cause;
        if (error instanceof OciError) throw error;
        const coded = connectionError(error, what, url);
        if (n === attempts || !isPassing(error, this.#known.has(url.host))) throw coded;
        failure = coded.message;
      }
      await this.#wait(Math.max(asked ?? 0, backoffMs(this.timing, n)), failure, signal);
    }
  }

  async #wait(ms: number, failure: string, signal: AbortSignal): Promise<void> {
    if (ms >= MIN_NOTED_MS) {
      const text = `${failure}; trying again in ${Math.ceil(ms / 1000)} s`;
      this.#options.onProgress?.({ type: "note", text });
    }
    try {
      await sleep(ms, undefined, { signal });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  }
}

function withAuthorization(request: HttpRequest, authorization: string | null): HttpRequest {
  return authorization === null ? request : { ...request, headers: { ...request.headers, authorization } };
}

/** What several share goes on for the others when one of them gives up. */
function untilAborted<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const done = (): void => signal.removeEventListener("abort", onAbort);
    shared.finally(done).then(resolve, reject);
  });
}
