import { Agent as HttpAgent, request as httpRequest, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { SecureContext } from "node:tls";
import { OciError } from "../errors.ts";
import { type ProxyEnvironment, proxyAuthorization, proxyFor } from "./proxy.ts";
import { TunnelAgent } from "./tunnel-agent.ts";

/** How the connections of a registry are made. */
export interface ConnectionOptions {
  /** Certificates. */
  readonly secureContext: SecureContext;
  /** Whether a certificate that nobody vouches for will do. */
  readonly insecure: boolean;
  /** Names proxies. */
  readonly env: ProxyEnvironment;
}

/** How a request gets to its place. */
export interface Route {
  readonly send: typeof httpRequest;
  readonly options: RequestOptions;
  /** To be sent along. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Connections to a registry and to the places it refers to, by way of a proxy where one is set; kept until closed. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #agents = new Map<string, HttpAgent>();
  readonly #closing = new AbortController();

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /**
   * The way to a place.
   *
   * @param single whether the connection serves one request alone: a connection that was kept may turn out dead, which
   *   is fatal to a body that cannot be sent twice
   */
  route(url: URL, single: boolean): Route {
    const proxy = proxyFor(url, this.#options.env);
    const tls = url.protocol === "https:";
    if (proxy === null || tls) {
      const options = { ...target(url), path: url.pathname + url.search, agent: this.#agent(tls, proxy, single) };
      return { send: tls ? httpsRequest : httpRequest, options, headers: {} };
    }
    const agent = this.#agent(proxy.protocol === "https:", null, single);
    const send = proxy.protocol === "https:" ? httpsRequest : httpRequest;
    const options = { ...target(proxy), path: url.href, agent };
    return { send, options, headers: { host: url.host, ...proxyAuthorization(proxy) } };
  }

  /** Ends with `signal`, or when the connections are closed. */
  signal(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }

  /** Ends what is under way and closes all sockets. */
  close(): void {
    this.#closing.abort(new OciError("TRANSPORT", "the connection to the registry was closed"));
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #agent(tls: boolean, proxy: URL | null, single: boolean): HttpAgent {
    const key = `${tls} ${proxy?.href} ${single}`;
    const agent = this.#agents.get(key) ?? this.#newAgent(tls, proxy, !single);
    this.#agents.set(key, agent);
    return agent;
  }

  #newAgent(tls: boolean, proxy: URL | null, keepAlive: boolean): HttpAgent {
    const { secureContext, insecure } = this.#options;
    const options = { keepAlive, secureContext, rejectUnauthorized: !insecure };
    if (!tls) return new HttpAgent({ keepAlive });
    return proxy === null ? new HttpsAgent(options) : new TunnelAgent(proxy, options, this.#closing.signal);
  }
}

function target({ hostname, port, protocol }: URL): RequestOptions {
  // Brackets are for URLs alone.
  return { protocol, hostname: hostname.replace(/^\[|\]$/g, ""), ...(port === "" ? {} : { port }) };
}
