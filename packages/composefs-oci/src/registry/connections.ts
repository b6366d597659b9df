import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { SecureContext } from "node:tls";
import { OciError } from "../errors.ts";

/** How the connections of a registry are made. */
export interface ConnectionOptions {
  /** Certificates. */
  readonly secureContext: SecureContext;
  /** Whether a certificate that nobody vouches for will do. */
  readonly insecure: boolean;
}

/** Connections to a registry and to the places it refers to; kept alive until closed. */
export class Connections {
  readonly #agents: readonly (HttpAgent | HttpsAgent)[];
  readonly #closing = new AbortController();
  readonly #http: readonly [kept: HttpAgent, single: HttpAgent];
  readonly #https: readonly [kept: HttpsAgent, single: HttpsAgent];

  constructor({ secureContext, insecure }: ConnectionOptions) {
    const tls = { secureContext, rejectUnauthorized: !insecure };
    this.#http = [new HttpAgent({ keepAlive: true }), new HttpAgent()];
    this.#https = [new HttpsAgent({ keepAlive: true, ...tls }), new HttpsAgent(tls)];
    this.#agents = [...this.#http, ...this.#https];
  }

  /**
   * The agent for a request.
   *
   * @param single whether the connection serves this request alone: one that was kept may turn out dead, which is fatal
   *   to a body that cannot be sent twice
   */
  agent(url: URL, single: boolean): HttpAgent | HttpsAgent {
    return (url.protocol === "https:" ? this.#https : this.#http)[single ? 1 : 0];
  }

  /** Ends with `signal`, or when the connections are closed. */
  signal(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }

  /** Ends what is under way and closes all sockets. */
  close(): void {
    this.#closing.abort(new OciError("TRANSPORT", "the connection to the registry was closed"));
    for (const agent of this.#agents) agent.destroy();
  }
}
