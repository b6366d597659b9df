import { type RequestOptions as HttpOptions, request as httpRequest } from "node:http";
import { Agent, type AgentOptions, request as httpsRequest } from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { proxyAuthorization } from "./proxy.ts";

/** A proxy that is silent for so long is taken for dead. */
const TIMEOUT_MS = 60_000;

/** HTTPS by way of a proxy, which is asked to `CONNECT` and sees nothing but the host. */
export class TunnelAgent extends Agent {
  readonly #proxy: URL;
  readonly #signal: AbortSignal;

  /** @param signal ends connections that are being made */
  constructor(proxy: URL, options: AgentOptions, signal: AbortSignal) {
    super(options);
    this.#proxy = proxy;
    this.#signal = signal;
  }

  // Node's agents call back with the connection where none is returned.
  override createConnection(
    options: HttpOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const done = callback as (error: Error | null, stream?: Duplex) => void;
    const host = options.host ?? "";
    const target = `${isIP(host) === 6 ? `[${host}]` : host}:${options.port}`;
    const send = this.#proxy.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send({
      hostname: this.#proxy.hostname,
      port: this.#proxy.port,
      method: "CONNECT",
      path: target,
      headers: { host: target, ...proxyAuthorization(this.#proxy) },
      agent: false,
      signal: this.#signal,
    });
    request.once("connect", ({ statusCode }, socket) => {
      if (statusCode === 200) done(null, connectTls({ ...(options as ConnectionOptions), socket }));
      else {
        socket.destroy();
        done(Object.assign(new Error(`the proxy ${this.#proxy.host} answered ${statusCode}`), { code: "EPROXY" }));
      }
    });
    request.on("error", (error) => done(error));
    request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error(`the proxy ${this.#proxy.host} is silent`)));
    request.end();
    return undefined;
  }
}
